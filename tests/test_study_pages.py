"""The pages of `crn study` in a real Chromium: raters complete a study; what they see, do and can reach."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from support.command_line import crn
from support.studies import copied, create, pixels_of, served
from support.training_script import train

from crn_hub.study.plan import REAL, Study
from crn_hub.study.votes import read_votes


class Eyes:
    """What a simulated rater sees: whose pictures are on the page, by their pixels."""

    def __init__(self, folder: Path):
        study = Study.load(folder)
        self.names = {
            self.mark(pixels_of(file)): [REAL, *study.systems][int(file.parent.name)]
            for file in folder.glob("pictures/*/*.png")
        }

    @staticmethod
    def mark(pixels: np.ndarray) -> str:
        opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
        return hashlib.sha256(np.concatenate([pixels, opaque], axis=2).tobytes()).hexdigest()

    def sides(self, tab: Page) -> list[str]:
        """The systems on the left and on the right."""
        marks = tab.evaluate(
            """() => Promise.all([...document.querySelectorAll('.side img')].map(async (image) => {
                const canvas = document.createElement('canvas');
                [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
                const context = canvas.getContext('2d');
                context.drawImage(image, 0, 0);
                const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
                return [...new Uint8Array(await crypto.subtle.digest('SHA-256', data))];
            }))"""
        )
        return [self.names[bytes(mark).hex()] for mark in marks]


ASKS_VOTE = "document.querySelector('#voting').dataset.asks === 'vote'"


def wait_for_pair(tab: Page, before: str | None) -> str:
    """The next pair on the page, which can be voted on, of another session if there is one; "" at the end."""
    tab.wait_for_function(
        """(before) => {
            const { pair, asks } = document.querySelector('#voting').dataset;
            return !document.querySelector('#thanks').hidden || (pair !== before && asks === 'vote');
        }""",
        arg=before,
    )
    if tab.locator("#thanks").is_hidden():
        return tab.locator("#voting").get_attribute("data-pair") or ""
    if tab.locator("#another").is_hidden():
        return ""
    tab.locator("#another").click()
    return wait_for_pair(tab, before)


def practise(tab: Page) -> str:
    """Consent and practice; returns the first pair that counts."""
    tab.get_by_role("button", name="I agree").click()
    tab.get_by_role("button", name="Start").click()
    for number in range(3):
        expect(tab.locator("#count")).to_have_text(f"practice {number + 1} of 3")
        tab.wait_for_function(ASKS_VOTE)
        tab.keyboard.press("ArrowLeft")
    return wait_for_pair(tab, "practice")


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[Any]:
    contexts, failures = [], []

    def open_tab(address: str, width: int = 1280, height: int = 800, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(20_000)
        contexts.append(context)
        tab = context.new_page()
        tab.on("pageerror", lambda error: failures.append(str(error)))
        tab.goto(address)
        return tab

    yield open_tab
    for context in contexts:
        context.close()
    assert not failures


def test_three_raters_complete_a_study(
    streets: Path, tmp_path: Path, open_tab: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model in the box, one with an image-space loss, and photographs. One rater is honest, one chooses at random
    and fails the sentinels, one is honest and reloads half-way."""
    blurred, place = tmp_path / "blurred", tmp_path / "study"
    settings = (
        "--system image-space --resolution 32 --widths 8 8 8 8 --max_train_samples 8 --max_train_steps 20".split()
    )
    train(*settings, "--dataset_name", streets, "--output_dir", blurred)
    systems = ["--systems", "crn=box", f"image-space={blurred}", "--real", "--dataset", streets]
    assert crn(monkeypatch, "study", "create", *systems, "--output", place, "--layouts", 4, "--session", 9) == 0
    capsys.readouterr()
    study, eyes = Study.load(place), Eyes(place)
    assert study.facts["styles and seeds"]["crn"].keys() >= {str(row) for _, row in study.needed}
    order = [REAL, *study.systems]
    with served(place) as address:
        for kind in ("honest", "random", "reloads"):
            tab = open_tab(address)
            pair, seen, random = practise(tab), set(), np.random.default_rng(8)
            while pair:
                assert pair not in seen
                seen.add(pair)
                left, right = eyes.sides(tab)
                better = order.index(left) < order.index(right)
                is_left = bool(random.random() < 0.5) if kind == "random" else better
                if len(seen) % 2:
                    tab.keyboard.press("ArrowLeft" if is_left else "ArrowRight")
                else:
                    tab.locator("#left" if is_left else "#right").click()
                pair = wait_for_pair(tab, pair)
                if kind == "reloads" and len(seen) == 5:
                    tab.reload()
                    assert wait_for_pair(tab, None) == pair  # goes on where it was, without practice
            assert len(seen) == sum(map(len, study.sessions))
            expect(tab.get_by_role("heading", name="Thank you")).to_be_visible()
    table = read_votes(place, study)
    assert len(table) == 3 * sum(map(len, study.sessions))
    assert (table["response_ms"] > 0).all()
    assert crn(monkeypatch, "study", "report", place, "--output", tmp_path / "report") == 0
    said = capsys.readouterr().out
    assert "2 raters; 1 others failed their sentinels" in said
    assert "1. photograph" in said
    report = pd.read_csv(tmp_path / "report" / "preferences.csv")
    assert report["share"].tolist() == [1, 1, 1]
    assert (tmp_path / "report" / "preferences.png").is_file()


def test_a_pair_is_seen_for_as_long_as_planned(
    study_data: Path, study_models: dict[str, str], tmp_path: Path, open_tab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "study"
    options = ["--layouts", 2, "--session", 8, "--mode", "limited"]
    assert create(monkeypatch, study_data, study_models, place, *options) == 0
    study = json.loads((place / "study.json").read_text())
    for session in study["sessions"]:
        for trial in session:
            trial["exposure"] = min(trial["exposure"], 0.5)  # so that the test takes seconds
    study["practice"] = study["practice"][:1]
    (place / "study.json").write_text(json.dumps(study))
    with served(place) as address:
        tab = open_tab(address)
        tab.get_by_role("button", name="I agree").click()
        expect(tab.locator("#limited")).to_be_visible()
        tab.get_by_role("button", name="Start").click()
        pairs = 1 + len(study["sessions"][0])
        for number in range(pairs):
            expect(tab.locator("#ready")).to_be_visible()
            tab.keyboard.press("ArrowLeft")  # not yet
            tab.keyboard.press("Space")
            tab.wait_for_function("document.querySelector('#pair').dataset.state === 'shown'")
            if number == 1:  # a second look, which the vote says
                tab.reload()
                expect(tab.locator("#ready")).to_be_visible()
                tab.keyboard.press("Space")
                tab.wait_for_function("document.querySelector('#pair').dataset.state === 'shown'")
            tab.keyboard.press("ArrowLeft")  # nor now
            tab.wait_for_function(ASKS_VOTE)
            assert tab.locator("#pair").get_attribute("data-state") == "masked"
            assert tab.locator("#left img").evaluate("node => getComputedStyle(node).visibility") == "hidden"
            tab.keyboard.press("ArrowRight")
        expect(tab.get_by_role("heading", name="Thank you")).to_be_visible()
    table = read_votes(place, Study.load(place))
    assert (table["won"] == 0).all()
    missed = (table["shown_ms"] - 1000 * table["exposure"]).abs()
    assert (missed[~table["off"]] < 35).all()  # a frame has 17 ms, here perhaps more
    assert table["off"][0]  # of which there was a second look
    assert table["off"][1:].mean() < 0.5
    with served(place) as address, httpx.Client(base_url=address) as client:
        token = client.post("/api/consent", json={}).json()["token"]
        pair = client.post("/api/next", json={"token": token}).json()
        ballot = {"token": token, "session": pair["session"], "position": 0, "chosen": "left"}
        assert client.post("/api/vote", json=ballot).status_code == 422  # without the time that it was seen for


def test_one_action_is_one_vote(study_folder: Path, tmp_path: Path, open_tab: Any) -> None:
    place = copied(study_folder, tmp_path / "study")
    with served(place) as address:
        tab = open_tab(address)
        practise(tab)
        tab.locator("#left").dblclick(delay=20)
        wait_for_pair(tab, "0/0")
        expect(tab.locator("#count")).to_contain_text("1 of")
        tab.keyboard.press("Space")  # for limited time; a picture that was clicked must not take it
        tab.keyboard.press("Alt+ArrowRight")  # the browser's own
        tab.wait_for_timeout(400)
        expect(tab.locator("#count")).to_contain_text("1 of")
        tab.locator("#right").focus()
        tab.keyboard.down("Enter")
        for _ in range(8):
            tab.keyboard.down("Enter")  # held
            tab.wait_for_timeout(60)
        tab.keyboard.up("Enter")
        wait_for_pair(tab, "0/1")
        expect(tab.locator("#count")).to_contain_text("2 of")
    assert [*read_votes(place, Study.load(place))["won"]] == [1, 0]


def test_after_a_session_somebody_else_may_take_part(study_folder: Path, tmp_path: Path, open_tab: Any) -> None:
    place = copied(study_folder, tmp_path / "study")
    study = Study.load(place)
    with served(place) as address:
        tab = open_tab(address)
        practise(tab)
        for position in range(len(study.sessions[0])):
            tab.wait_for_function(f"document.querySelector('#voting').dataset.pair === '0/{position}' && {ASKS_VOTE}")
            tab.wait_for_timeout(220)
            tab.keyboard.press("ArrowLeft")
        expect(tab.get_by_role("heading", name="Thank you")).to_be_visible()
        tab.reload()
        expect(tab.get_by_role("button", name="Go on")).to_be_visible()
        tab.get_by_role("button", name="Somebody else").click()
        practise(tab)  # consents anew
        expect(tab.locator("#count")).to_contain_text("0 of")
    assert len(read_votes(place, study)) == len(study.sessions[0])


@pytest.mark.parametrize(
    ("screen", "size"), [((844, 390), (200, 400)), ((1280, 800), (512, 1024)), ((390, 844), (512, 512))]
)
def test_both_pictures_are_in_sight(
    study_folder: Path, tmp_path: Path, open_tab: Any, screen: tuple[int, int], size: tuple[int, int]
) -> None:
    place = copied(study_folder, tmp_path / "study")
    study = json.loads((place / "study.json").read_text()) | {"size": size}
    (place / "study.json").write_text(json.dumps(study))
    with served(place) as address:
        tab = open_tab(address, *screen)
        practise(tab)
        boxes = [tab.locator(side).bounding_box() for side in ("#left", "#right")]
        assert all(
            box and box["y"] >= 0 and box["x"] >= 0 and box["y"] + box["height"] <= screen[1] for box in boxes
        )  # fmt: skip
        assert all(box and box["x"] + box["width"] <= screen[0] and box["width"] > 150 for box in boxes)
        tab.keyboard.press("ArrowLeft")
        wait_for_pair(tab, "0/0")
    (width,) = read_votes(place, Study.load(place))["width_px"]
    assert boxes[0]
    assert width == pytest.approx(boxes[0]["width"], abs=0.1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_pages_are_accessible(study_folder: Path, tmp_path: Path, open_tab: Any, scheme: str, phone: bool) -> None:
    place = copied(study_folder, tmp_path / "study")
    options: dict[str, Any] = {"has_touch": True, "is_mobile": True} if phone else {}
    with served(place, "/studies/one") as address:
        tab = open_tab(f"{address}/", *((390, 844) if phone else (1280, 800)), color_scheme=scheme, **options)
        expect(tab.get_by_role("button", name="I agree")).to_be_visible()
        for step in ("I agree", "Start", ""):
            found = Axe().run(tab)
            assert found.violations_count == 0, found.generate_report()
            assert tab.evaluate("document.documentElement.scrollWidth") <= tab.viewport_size["width"]
            if step:
                tab.get_by_role("button", name=step).click()
                tab.wait_for_timeout(300)
        tab.wait_for_function(ASKS_VOTE)
        boxes = [tab.locator(side).bounding_box() for side in ("#left", "#right")]
        assert [box["width"] for box in boxes if box] == [80, 80]
        if phone:
            tab.locator("#right").tap()
            expect(tab.locator("#count")).to_have_text("practice 2 of 3")
