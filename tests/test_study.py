"""`crn study`: the plan, the votes, the report, and the pages, in a real Chromium."""

import hashlib
import io
import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import torch
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from support.browsing import free_port
from support.command_line import crn
from support.data_folders import write_folder
from support.hub_server import HubServer
from support.simulated_raters import simulated
from support.training_script import train

from crn_hub import CRN, ClassSet
from crn_hub.study.plan import EXPOSURES, REAL, Study, comparisons_of, divide_rows, plan_sessions
from crn_hub.study.report import conclusions_of, to_text, write_report
from crn_hub.study.server import Pages, filled
from crn_hub.study.votes import Vote, Votes, read_votes

SYSTEMS = ("good", "weak")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("study") / "streets", 30)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(SYSTEMS):
        torch.manual_seed(seed)
        CRN(ClassSet.camvid(), (4,) * 4).save_pretrained(folder / name)
    return {name: str(folder / name) for name in SYSTEMS}


def create(patch: pytest.MonkeyPatch, data: Path, models: dict[str, str], output: Path, *more: object) -> int:
    systems = [f"{name}={where}" for name, where in models.items()]
    arguments = ["--systems", *systems, "--real", "--dataset", data, "--split", "train", "--size", 40, 80]
    return crn(patch, "study", "create", *arguments, "--output", output, *more)


@pytest.fixture(scope="module")
def folder(data: Path, models: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with unlimited time: 8 layouts, 24 pairs in two sessions."""
    output = tmp_path_factory.mktemp("made") / "study"
    with pytest.MonkeyPatch.context() as patch:
        assert create(patch, data, models, output, "--layouts", 8, "--session", 14) == 0
    return output


def pixels_of(file: Path) -> np.ndarray:
    with Image.open(file) as picture:
        return np.array(picture)


def copied(folder: Path, to: Path) -> Path:
    """A study without votes of its own, with the same pictures."""
    to.mkdir()
    (to / "study.json").write_bytes((folder / "study.json").read_bytes())
    (to / "pictures").symlink_to(folder / "pictures")
    return to


# -- the plan ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["unlimited", "limited"])
def test_a_plan_is_balanced_and_drawn_by_its_seed(mode: str) -> None:
    systems, given = ("a", "b", "c"), [*range(0, 500, 2)]
    rows = divide_rows(given, 200, True, mode, 110, 5)
    assert len(rows.compared) == 200
    parts = {*rows.compared}, {*rows.sentinels}, {*rows.practice}
    assert set.union(*parts) == {*given}
    assert sum(map(len, parts)) == len(given)  # nobody sees a pair twice
    sessions = plan_sessions(systems, True, rows, mode, 110, 5)
    assert sessions == plan_sessions(systems, True, rows, mode, 110, 5)
    assert sessions != plan_sessions(systems, True, rows, mode, 110, 6)
    assert len(comparisons_of(systems, True)) == 6
    trials = [trial for session in sessions for trial in session if not trial.sentinel]
    assert len(trials) == 6 * 200
    for first, second in comparisons_of(systems, True):
        of_pair = [trial for trial in trials if {trial.left, trial.right} == {first, second}]
        assert sorted(trial.row for trial in of_pair) == sorted(rows.compared)  # each layout once
        assert sum(trial.left == first for trial in of_pair) == 100
        counts = Counter(trial.exposure for trial in of_pair)
        assert {*counts} == ({*EXPOSURES} if mode == "limited" else {None})
        assert max(counts.values()) - min(counts.values()) <= 1
    for session in sessions:
        assert 90 <= len(session) <= 130
        sentinels = [trial for trial in session if trial.sentinel]
        assert len(sentinels) == {"unlimited": 10, "limited": 5}[mode]
        weaker = {name for trial in sentinels for name in (trial.left, trial.right)} - {REAL}
        assert weaker == ({"b", "c"} if mode == "unlimited" else {"c"})  # of the pairs, or of all
        assert all(REAL in (trial.left, trial.right) for trial in sentinels)
        assert len({trial.row for trial in sentinels}) == len(sentinels)


def test_a_study_is_made_once_and_can_be_made_again(
    data: Path, models: dict[str, str], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    study = Study.load(folder)
    assert (study.systems, study.real, study.mode, len(study.sessions)) == (SYSTEMS, True, "unlimited", 2)
    files = sorted(file.relative_to(folder) for file in folder.rglob("*.png"))
    assert len(files) == len(study.needed) >= 3 * 8
    assert {pixels_of(folder / file).shape for file in files} == {(40, 80, 3)}
    output = tmp_path / "again"
    assert create(monkeypatch, data, models, output, "--layouts", 8, "--session", 14) == 0
    assert (output / "study.json").read_bytes() == (folder / "study.json").read_bytes()
    assert all((output / file).read_bytes() == (folder / file).read_bytes() for file in files)

    gone, kept = output / files[0], output / files[1]
    gone.unlink()
    before = kept.stat().st_mtime_ns
    assert create(monkeypatch, data, models, output, "--layouts", 8, "--session", 14) == 0
    assert gone.read_bytes() == (folder / files[0]).read_bytes()
    assert kept.stat().st_mtime_ns == before
    assert create(monkeypatch, data, models, output, "--layouts", 7, "--session", 14) == 2
    assert "holds another study" in capsys.readouterr().err
    assert create(monkeypatch, data, {REAL: "box"}, tmp_path / "x") == 2
    assert "is what the recorded photographs are called" in capsys.readouterr().err


def test_pictures_made_elsewhere_are_a_system_too(
    data: Path, models: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for row in range(0, 30):
        Image.new("RGB", (160, 80), (row, 100, 7)).save(elsewhere / f"{row:04}.png")
    output = tmp_path / "study"
    assert create(monkeypatch, data, {"theirs": str(elsewhere), **models}, output, "--layouts", 4) == 0
    rows = [row for system, row in Study.load(output).needed if system == "theirs"]
    for row in rows:
        assert tuple(pixels_of(output / "pictures" / "1" / f"{row}.png")[3, 3]) == (row, 100, 7)
    (elsewhere / f"{rows[1]:04}.png").unlink()
    assert create(monkeypatch, data, {"theirs": str(elsewhere)}, tmp_path / "other", "--layouts", 4) == 2
    assert f"no picture of row {rows[1]}; name the files by the rows' numbers" in capsys.readouterr().err
    for words, message in ((["box"], "must be NAME=MODEL_OR_FOLDER"), (["a=box", "a=box"], "two systems of this name")):
        assert crn(monkeypatch, "study", "create", "--systems", *words, "--dataset", data, "--output", tmp_path) == 2
        assert message in capsys.readouterr().err


# -- votes -------------------------------------------------------------------------------------------


def test_raters_are_given_sessions_that_they_have_not_seen(folder: Path, tmp_path: Path) -> None:
    study = Study.load(folder)
    votes = Votes(copied(folder, tmp_path / "study"), study)
    raters = [votes.rater_of(votes.new_rater()) for _ in range(3)]
    assert len({*raters}) == 3
    assert votes.rater_of("nobody") is None
    places = [votes.place_of(rater) for rater in raters if rater]
    assert places == [(0, 0), (1, 0), (0, 0)]  # the one that the fewest have
    rater = raters[0]
    assert rater
    for position in range(len(study.sessions[0])):
        assert votes.place_of(rater) == (0, position)
        votes.cast(rater, Vote(0, position, "left", None, None, 900.0))
        votes.cast(rater, Vote(0, position, "right", None, None, 1.0))  # sent twice: the first one stays
    assert votes.place_of(rater) is None  # until they want another one
    assert votes.has_more(rater)
    assert votes.place_of(rater, another=True) == (1, 0)
    for position in range(len(study.sessions[1])):
        votes.cast(rater, Vote(1, position, "right", None, None, 900.0))
    assert votes.place_of(rater, another=True) is None
    assert not votes.has_more(rater)
    table = read_votes(tmp_path / "study", study)
    assert len(table) == sum(map(len, study.sessions))
    assert (table["won"] == (table["session"] == 0)).all()
    for wrong in (Vote(0, 0, "left", None, None, 1.0), Vote(1, 3, "left", None, None, 1.0)):
        with pytest.raises(ValueError, match="which is not the next one"):
            votes.cast(raters[1] or "", wrong)
    votes.close()
    assert len(read_votes(tmp_path / "study", study)) == len(table)


@contextmanager
def served(folder: Path, path: str = "") -> Iterator[str]:
    """The study's pages on a server in this process, perhaps under a path, as behind a proxy."""
    study = Study.load(folder)
    votes = Votes(folder, study)
    port = free_port()
    app = FastAPI()
    app.mount(path, Pages(folder, study, votes).app())
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}{path}"
    finally:
        server.should_exit = True
        thread.join(10)
        votes.close()


def test_fifty_raters_at_once_lose_no_vote(folder: Path, tmp_path: Path) -> None:
    place = copied(folder, tmp_path / "study")
    with served(place) as address, httpx.Client(base_url=address, timeout=60) as client:

        def rate(number: int) -> list[tuple[int, int, str]]:
            token = client.post("/api/consent", json={}).json()["token"]
            pair, cast = client.post("/api/next", json={"token": token}).json(), []
            while not pair["done"]:
                chosen = "left" if (number + pair["position"]) % 3 else "right"
                ballot = {"token": token, "session": pair["session"], "position": pair["position"], "chosen": chosen}
                cast.append((pair["session"], pair["position"], chosen))
                pair = client.post("/api/vote", json=ballot).json()
                if pair["done"] and pair["more"]:
                    pair = client.post("/api/next", json={"token": token, "another": True}).json()
            return cast

        with ThreadPoolExecutor(50) as pool:
            sent = [*pool.map(rate, range(50))]
    table = read_votes(place, Study.load(place))
    assert len(table) == sum(map(len, sent)) == 50 * sum(map(len, Study.load(place).sessions))
    stored = Counter(
        (row.session, row.position, "left" if row.won else "right") for row in table.itertuples()
    )  # fmt: skip
    assert stored == Counter(vote for cast in sent for vote in cast)
    assert not table.duplicated(["rater", "session", "position"]).any()


@contextmanager
def serving(
    folder: Path, environment: dict[str, str], *options: str
) -> Iterator[tuple[httpx.Client, "subprocess.Popen[str]"]]:
    """`crn study serve` in a process of its own, which is told to end afterwards."""
    port = free_port()
    command = [sys.executable, "-m", "crn_hub", "study", "serve", str(folder), "--port", str(port), *options]
    with subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            said = process.stdout.readline()
            assert f"http://127.0.0.1:{port}/" in process.stdout.readline(), said
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                deadline = time.monotonic() + 20
                while True:
                    try:
                        client.get("/api/about")
                        break
                    except httpx.ConnectError:
                        assert time.monotonic() < deadline
                        time.sleep(0.05)
                yield client, process
        finally:
            process.terminate()
            process.wait(30)


def test_a_kill_loses_at_most_the_vote_in_flight(folder: Path, tmp_path: Path) -> None:
    """Eight raters vote as fast as they can while the server is killed, three times."""
    place = copied(folder, tmp_path / "study")
    study = Study.load(place)
    tokens: list[str] = []
    heard: Counter[str] = Counter()  # votes that each rater's page has had an answer for

    def rate(client: httpx.Client, token: str, enough: threading.Event) -> None:
        with suppress(httpx.HTTPError):
            pair = client.post("/api/next", json={"token": token}).json()
            while not pair["done"]:
                ballot = {"token": token, "session": pair["session"], "position": pair["position"], "chosen": "left"}
                pair = client.post("/api/vote", json=ballot).json()
                heard[token] += 1
                if heard.total() >= 30 * len(tokens) / 8:
                    enough.set()

    for _ in range(3):
        enough = threading.Event()
        with serving(place, {}) as (client, process), ThreadPoolExecutor(8) as pool:
            new = [client.post("/api/consent", json={}).json()["token"] for _ in range(8)]
            tokens += new
            for token in new:
                pool.submit(rate, client, token, enough)
            assert enough.wait(30)
            process.kill()
        with closing(Votes(place, study)) as votes:
            stored = Counter(votes.cast_votes()["rater"])
            for token in tokens:
                rater = votes.rater_of(token)
                assert rater is not None
                assert heard[token] <= stored[rater] <= heard[token] + 1
                heard[token] = stored[rater]  # for the next time
    with closing(sqlite3.connect(place / "votes.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def rate_some(client: httpx.Client, count: int) -> None:
    """Consents, and votes on that many pairs."""
    token = client.post("/api/consent", json={}).json()["token"]
    pair = client.post("/api/next", json={"token": token}).json()
    for _ in range(count):
        ballot = {"token": token, "session": pair["session"], "position": pair["position"], "chosen": "left"}
        pair = client.post("/api/vote", json=ballot).json()


def test_votes_are_copied_to_the_hub(
    folder: Path, tmp_path: Path, hub: HubServer, home: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Also those of a server whose disk was lost: each database has a file of its own there."""
    place = copied(folder, tmp_path / "study")
    for number, count in enumerate((5, 3), start=1):
        with serving(place, hub.environment(home), "--mirror", "acme/votes") as (client, _):
            rate_some(client, count)
        repo = hub.repos["datasets", "acme/votes"]
        assert repo.private
        assert len([name for name in repo.files if name.startswith("votes-")]) == number
        for file in place.glob("votes.db*"):
            file.unlink()
    fetched = tmp_path / "fetched"
    fetched.mkdir()
    for name, content in repo.files.items():
        (fetched / name).write_bytes(content)
    study = Study.load(fetched)
    assert len(read_votes(fetched, study)) == 8
    assert crn(monkeypatch, "study", "report", fetched) == 0
    assert " votes of " in capsys.readouterr().out
    (copy,) = [file for file in fetched.glob("votes-*.csv") if len(pd.read_csv(file)) == 3]
    (fetched / "votes-again.csv").write_bytes(copy.read_bytes())  # counts once
    assert len(read_votes(fetched, study)) == 8
    for text, message in (
        ("a,b\n1,2\n", "not readable as a copy of votes"),
        (copy.read_text() + OTHER, "are for another plan"),
    ):
        copy.write_text(text)
        assert crn(monkeypatch, "study", "report", fetched) == 2
        assert message in capsys.readouterr().err


OTHER = "somebody,99,0,left,,,900,400,1,2026-11-27,0123456789abcdef\n"  # a vote of another study


def test_what_a_server_refuses(folder: Path, tmp_path: Path, hub: HubServer, home: Path) -> None:
    place = copied(folder, tmp_path / "study")
    hub.commit("datasets", "acme/public", {"README.md": b"ours"})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for options, message in (
            (["--port", "0", "--mirror", "acme/public"], "--mirror acme/public: this data set is public"),
            (["--port", "0", "--mirror", "no/such/name"], "is not the id of a Hub repo"),
            (["--port", str(port)], f"--port {port}: cannot listen there (Address already in use)"),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "crn_hub", "study", "serve", place, *options],
                env=os.environ | hub.environment(home), capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
            assert message in done.stderr
    (place / "pictures").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "crn_hub", "study", "serve", place], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "the same crn study create makes what is missing" in done.stderr


def test_votes_belong_to_the_plan_that_they_were_cast_for(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = copied(folder, tmp_path / "study")
    study = json.loads((place / "study.json").read_text())
    Votes(place, Study.load(place)).close()
    (place / "study.json").write_text(json.dumps(study | {"passing": 0.7}))  # nobody has voted yet
    with closing(Votes(place, Study.load(place))) as votes:
        rater = votes.rater_of(votes.new_rater()) or ""
        votes.cast(rater, Vote(*(votes.place_of(rater) or (0, 0)), "left", None, None, 900.0))
    (place / "study.json").write_text(json.dumps(study | {"passing": 0.7, "title": "A better title"}))
    assert len(read_votes(place, Study.load(place))) == 1
    (place / "study.json").write_text(json.dumps(study | {"passing": 0.0}))
    for command in ("report", "serve"):
        assert crn(monkeypatch, "study", command, place) == 2
        assert "study.json: it has been changed since the first vote" in capsys.readouterr().err
    study["sessions"][0][0]["left"] = "nobody"
    (place / "study.json").write_text(json.dumps(study))
    assert crn(monkeypatch, "study", "report", place) == 2
    assert "a pair shows nobody, which is none of its systems" in capsys.readouterr().err
    (place / "study.json").write_bytes((folder / "study.json").read_bytes())
    for file in place.glob("votes.db*"):
        file.unlink()
    (place / "votes.db").write_bytes(bytes(range(256)) * 20)
    assert crn(monkeypatch, "study", "report", place) == 2
    assert "votes.db: not usable as the database of a study's votes (file is not a database)" in capsys.readouterr().err


def test_nothing_that_a_browser_gets_tells_the_systems_apart(folder: Path, tmp_path: Path) -> None:
    place = copied(folder, tmp_path / "study")
    study = Study.load(place)
    with served(place) as address, httpx.Client(base_url=address) as client:
        token = client.post("/api/consent", json={}).json()["token"]
        asked = client.post("/api/next", json={"token": token})
        about = client.get("/api/about")
        page = client.get("/").text + client.get("/study.js").text + client.get("/study.css").text
        for text in (asked.text, about.text, page):
            assert not [name for name in (*SYSTEMS, "pictures/") if name in text]
        pair = asked.json()
        assert {*pair} == {"done", "session", "position", "of", "left", "right", "exposure", "following"}
        assert client.get(f"/picture/{pair['following']['left']}").status_code == 200  # to load it ahead
        answers = [client.get(f"/picture/{pair[side]}") for side in ("left", "right")]
        trial = study.sessions[pair["session"]][pair["position"]]
        for answer, system in zip(answers, (trial.left, trial.right), strict=True):
            number = [REAL, *study.systems].index(system)
            expected = pixels_of(place / "pictures" / str(number) / f"{trial.row}.png")
            assert np.array_equal(np.array(Image.open(io.BytesIO(answer.content))), expected)
        headers = [{k: v for k, v in answer.headers.items() if k != "date"} for answer in answers]
        assert headers[0] == headers[1]  # the same length, type and caching, and nothing else
        assert {*headers[0]} == {"server", "content-type", "content-length", "cache-control"}
        other = client.post("/api/consent", json={}).json()["token"]
        assert pair["left"] != client.post("/api/next", json={"token": other}).json()["left"]
        assert client.get("/picture/0.png").status_code == 404
        assert client.post("/api/next", json={"token": "x"}).status_code == 401
        ballot = {"token": token, "session": pair["session"], "position": 5, "chosen": "left"}
        assert client.post("/api/vote", json=ballot).status_code == 409
        assert client.post("/api/vote", json=ballot | {"session": 99}).status_code == 409
        for wrong in ({"chosen": "both"}, {"position": 2**70}, {"session": -1}):
            assert client.post("/api/vote", json=ballot | wrong).status_code == 422
    png = io.BytesIO()
    Image.new("RGB", (3, 2), (9, 8, 7)).save(png, "PNG")
    longer = filled(png.getvalue(), 500)
    assert len(longer) == 500
    assert Image.open(io.BytesIO(longer)).getpixel((0, 0)) == (9, 8, 7)


# -- the report --------------------------------------------------------------------------------------


def test_sessions_have_sentinels_for_the_pairs_that_they_have() -> None:
    rows = divide_rows(range(8), 6, True, "unlimited", 1000, 0)
    (session,) = plan_sessions(("a",), True, rows, "unlimited", 1000, 0)
    assert [trial.sentinel for trial in session].count(True) == 1
    assert len(session) == 7


def test_a_report_has_tables_and_plots(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                       capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    study = Study.load(folder)
    strengths = {REAL: 2.0, "good": 0.5, "weak": -1.0}
    votes = pd.concat(
        [simulated(12, 30, strengths, seed, exposure=exposure) for seed, exposure in enumerate(EXPOSURES)]
    )  # fmt: skip
    found = conclusions_of(Study(**{**vars(study), "mode": "limited"}), votes)
    assert [rank.system for rank in found.ranks] == [REAL, "good", "weak"]
    assert len(found.exposures) == 3
    text = to_text(found)
    assert "good > weak" in text
    assert "12 raters" in text
    written = write_report(found, tmp_path / "report")
    assert {file.name for file in written} == {
        "report.md", "preferences.csv", "ranking.csv", "preferences.png", "preferences.svg", "exposures.png",
        "exposures.svg",
    }  # fmt: skip
    table = pd.read_csv(tmp_path / "report" / "preferences.csv")
    assert len(table) == 3 + 3 * 7
    assert (table["low"] <= table["share"]).all()
    odd = {"good": "a$\\foo$", "weak": "<b>|c|*"}
    renamed = votes.replace({"first": odd, "second": odd})
    found = conclusions_of(Study(**{**vars(study), "systems": tuple(odd.values()), "mode": "limited"}), renamed)
    write_report(found, tmp_path / "odd")
    assert "\\<b\\>" in (tmp_path / "odd" / "report.md").read_text().partition("## Ranking")[2]
    assert "fixed before the first vote" in (tmp_path / "report" / "report.md").read_text()
    place = copied(folder, tmp_path / "study")
    assert crn(monkeypatch, "study", "report", place) == 2
    assert "no votes that count; 0 were cast" in capsys.readouterr().err
    assert crn(monkeypatch, "study", "report", tmp_path / "nowhere") == 2
    assert "no study; crn study create makes one" in capsys.readouterr().err
    (place / "study.json").write_text("{}")
    assert crn(monkeypatch, "study", "report", place) == 2
    assert "not readable as a study" in capsys.readouterr().err


# -- the pages ---------------------------------------------------------------------------------------


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
    data: Path, models: dict[str, str], tmp_path: Path, open_tab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "study"
    assert create(monkeypatch, data, models, place, "--layouts", 2, "--session", 8, "--mode", "limited") == 0
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


def test_one_action_is_one_vote(folder: Path, tmp_path: Path, open_tab: Any) -> None:
    place = copied(folder, tmp_path / "study")
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


def test_after_a_session_somebody_else_may_take_part(folder: Path, tmp_path: Path, open_tab: Any) -> None:
    place = copied(folder, tmp_path / "study")
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
    folder: Path, tmp_path: Path, open_tab: Any, screen: tuple[int, int], size: tuple[int, int]
) -> None:
    place = copied(folder, tmp_path / "study")
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
def test_pages_are_accessible(folder: Path, tmp_path: Path, open_tab: Any, scheme: str, phone: bool) -> None:
    place = copied(folder, tmp_path / "study")
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
