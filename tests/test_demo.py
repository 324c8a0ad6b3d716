"""The demo on a real server on loopback: by the API client, and in a real Chromium through Playwright.

The model is a small random one; what counts is that its photographs, whatever they look like, arrive pixel by pixel.
"""

import re
import runpy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from browsing import Open, free_port, pixels, running_app, source, wait_for_other
from conftest import ROOT
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import FloatRect, Page, expect

from crn_hub import CRN, ClassSet
from crn_hub.demo import launch
from crn_hub.demo.page import EXAMPLES, MAX_BODY_SIZE, MAX_FILE_SIZE
from crn_hub.model import MODEL_IN_THE_BOX
from crn_hub.scenes import street_scene

FOLDER_OF_EXAMPLES = ROOT / "crn_hub" / "demo" / "examples"


def small_model(classes: ClassSet, num_images: int = 1) -> CRN:
    torch.manual_seed(0)
    return CRN(classes, widths=(8,) * 5, num_images=num_images).eval()  # 64 x 128 pixels


@contextmanager
def served(model: CRN) -> Iterator[str]:
    """The address (without a slash at its end) of a server with the page of `model`."""
    page, address = launch(
        model, server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, quiet=True
    )
    try:
        yield address.rstrip("/")
    finally:
        page.close(verbose=False)


@pytest.fixture(scope="module", autouse=True)
def _files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What Gradio writes goes away with the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        yield


@pytest.fixture(scope="module")
def model() -> CRN:
    return small_model(ClassSet.camvid())


@pytest.fixture(scope="module")
def address(model: CRN) -> Iterator[str]:
    with served(model) as address:
        yield address


@pytest.fixture(scope="module")
def client(address: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(address, verbose=False, download_files=tmp_path_factory.mktemp("downloads"), analytics_enabled=False)


def box(tab: Page, element: str) -> FloatRect:
    """Where a picture stands on the page, once it is loaded."""
    tab.wait_for_function("e => document.querySelector(`${e} img`)?.naturalWidth", arg=element)
    found = tab.locator(f"{element} img").bounding_box()
    assert found is not None
    return found


def example(name: str, model: CRN) -> np.ndarray:
    """The ids of an example in the model's size."""
    image = Image.open(FOLDER_OF_EXAMPLES / f"{name.replace(' ', '-')}.png")  # a palette image: its indices are ids
    return np.array(image.resize(model.size[::-1], Image.Resampling.NEAREST))


def shows(tab: Page, model: CRN, ids: np.ndarray) -> bool:
    """Whether the page shows this layout and the photograph of it, both exactly."""
    return np.array_equal(pixels(tab, "#layout"), model.classes.to_colors(ids)) and np.array_equal(
        pixels(tab, "#photograph"), np.array(model.synthesize(ids)[0])
    )


def random_ids(model: CRN, size: tuple[int, int]) -> np.ndarray:
    """Every class and unlabelled, in blocks of 8 x 8 pixels."""
    values = [*range(len(model.classes)), 255]
    coarse = np.random.default_rng(3).choice(values, (size[0] // 8, size[1] // 8)).astype(np.uint8)
    coarse.flat[: len(values)] = values
    return coarse.repeat(8, axis=0).repeat(8, axis=1)


def shuffled_palette(model: CRN, ids: np.ndarray) -> Image.Image:
    """A palette image in class colours whose indices are not the ids."""
    order = np.random.default_rng(4).permutation(256)  # id -> index
    palette = np.empty((256, 3), np.uint8)
    palette[order] = model.classes.palette
    image = Image.fromarray(order.astype(np.uint8)[ids])
    image.putpalette(palette.tobytes())
    return image


# -- in the browser ----------------------------------------------------------------------------------


def test_opens_with_a_photograph(visit: Open, address: str, model: CRN) -> None:
    tab = visit(address)
    assert shows(tab, model, example(EXAMPLES[0], model))
    assert tab.locator("h1").inner_text() == "Cascaded Refinement Networks"
    assert tab.locator("#header a").get_attribute("href") == "https://arxiv.org/abs/1707.09405"
    expect(tab.locator("#status")).to_have_text(
        re.compile(rf"{EXAMPLES[0]} · 128 . 64 pixels · synthesis \d+ ms, total \d+ ms")
    )
    expect(tab.locator("#strip")).to_have_count(0)  # one image: nothing to choose from


def test_layout_and_photograph_stand_side_by_side(visit: Open, address: str) -> None:
    tab = visit(address)
    left, right = box(tab, "#layout"), box(tab, "#photograph")
    assert left["x"] + left["width"] < right["x"]
    assert (left["y"], left["width"], left["height"]) == (right["y"], right["width"], right["height"])


def test_phone(visit: Open, address: str) -> None:
    tab = visit(address, 390, 844)
    layout, photograph = box(tab, "#layout"), box(tab, "#photograph")
    assert layout["x"] == photograph["x"]
    assert layout["y"] + layout["height"] < photograph["y"]
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    outside = "[...document.querySelectorAll('.app *')].filter(e => e.getBoundingClientRect().right > 390).length"
    assert tab.evaluate(outside) == 0


def test_legend(visit: Open, address: str, model: CRN) -> None:
    tab = visit(address)
    assert tab.locator("#legend li").all_inner_texts() == [*model.classes.names, "unlabelled"]
    colors = [
        item.evaluate("e => getComputedStyle(e).backgroundColor") for item in tab.locator("#legend li span").all()
    ]
    expected = [*model.classes.colors, model.classes.unlabelled_color]
    assert colors == [f"rgb({r}, {g}, {b})" for r, g, b in expected]


def test_surprise(visit: Open, address: str, model: CRN) -> None:
    tab = visit(address)
    seeds = set()
    for _ in range(2):
        before = source(tab, "#photograph")
        tab.get_by_text("Surprise me").click()
        wait_for_other(tab, "#photograph", before)
        found = re.match(r"street (\d+) ", tab.locator("#status").inner_text())
        assert found
        seeds.add(int(found[1]))
        ids, _ = street_scene(int(found[1]), size=model.size)
        assert shows(tab, model, ids)
    assert len(seeds) == 2
    expect(tab.locator("#examples .selected")).to_have_count(0)


def test_every_example(visit: Open, address: str, model: CRN) -> None:
    tab = visit(address)
    thumbnails = tab.locator("#examples .thumbnail-item")
    expect(thumbnails).to_have_text(list(EXAMPLES))
    for index in range(len(EXAMPLES) - 1, -1, -1):
        before = source(tab, "#photograph")
        thumbnails.nth(index).click()
        wait_for_other(tab, "#photograph", before)
        assert shows(tab, model, example(EXAMPLES[index], model))
        expect(tab.locator("#status b")).to_have_text(EXAMPLES[index])


def test_upload_and_save(visit: Open, address: str, model: CRN, tmp_path: Path) -> None:
    ids = random_ids(model, (96, 160))  # not the model's size
    file = tmp_path / "my <b>street & (1).png"
    shuffled_palette(model, ids).save(file)
    tab = visit(address)
    before = source(tab, "#photograph")
    tab.locator("#controls input[type=file]").set_input_files(file)
    wait_for_other(tab, "#photograph", before)
    assert shows(tab, model, ids)
    expect(tab.locator("#status")).to_contain_text(re.compile(r"my .*street & \(1\)\.png · 160 . 96 pixels"))
    with tab.expect_download() as download:
        tab.get_by_text("Save the photograph").click()
    assert download.value.suggested_filename == "photograph-1.png"
    assert np.array_equal(np.array(Image.open(download.value.path())), np.array(model.synthesize(ids)[0]))


def test_upload_in_the_colours_of_another_set_comes_with_a_report(
    visit: Open, address: str, model: CRN, tmp_path: Path
) -> None:
    cityscapes = ClassSet.cityscapes()
    ids = random_ids(small_model(cityscapes), (64, 128))
    Image.fromarray(cityscapes.to_colors(ids)).save(tmp_path / "aachen.png")
    tab = visit(address)
    before = source(tab, "#photograph")
    tab.locator("#controls input[type=file]").set_input_files(tmp_path / "aachen.png")
    wait_for_other(tab, "#photograph", before)
    assert shows(tab, model, cityscapes.translation_to(model.classes)[ids])
    report = tab.locator("#status li")
    expect(report).to_have_count(2)
    expect(report.first).to_contain_text("unlabelled: (0, 0, 0)")
    expect(report.last).to_contain_text(
        "read with the classes of cityscapes and translated by name: sidewalk as pavement"
    )
    tab.locator("#examples .thumbnail-item").nth(1).click()
    expect(report).to_have_count(0)


def test_colours_snap_when_the_box_is_ticked(visit: Open, address: str, model: CRN, tmp_path: Path) -> None:
    ids = np.array([[0, 3], [1, 5]], np.uint8).repeat(32, axis=0).repeat(32, axis=1)
    colors = model.classes.to_colors(ids)
    colors[:8] += 2
    Image.fromarray(colors).save(tmp_path / "street.png")
    tab = visit(address)
    before = source(tab, "#photograph")

    def upload() -> None:  # by the button: the input alone doesn't notice the same file again
        with tab.expect_file_chooser() as chooser:
            tab.get_by_text("Upload a layout").click()
        chooser.value.set_files(tmp_path / "street.png")

    upload()
    expect(tab.locator(".toast-body")).to_contain_text("the option --snap takes each as the nearest class colour")
    tab.get_by_label("Snap its colours").check()
    upload()
    wait_for_other(tab, "#photograph", before)
    assert shows(tab, model, ids)
    client = Client(address, verbose=False, download_files=tmp_path, analytics_enabled=False)
    result = client.predict(handle_file(tmp_path / "street.png"), True, api_name="/synthesize")
    assert np.array_equal(np.array(Image.open(result)), np.array(model.synthesize(ids)[0]))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "red & blue.png",
            Image.new("RGB", (64, 32), (255, 0, 1)),
            "no class has the colour of 2,048 pixels (100.0%): (255, 0, 1)",
        ),
        ("notes.txt", b"sky above, road below", "not a picture"),
        ("cut.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "not a"),
        ("large.png", b"\0" * (MAX_FILE_SIZE + 1), "exceed the maximum allowed size"),
    ],
)
def test_bad_file_gives_a_message(
    visit: Open, address: str, model: CRN, tmp_path: Path, name: str, content: Image.Image | bytes, message: str
) -> None:
    file = tmp_path / name
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        content.save(file)
    tab = visit(address)
    tab.locator("#controls input[type=file]").set_input_files(file)
    toast = tab.locator(".toast-body")
    expect(toast).to_be_visible()
    expect(toast).to_contain_text(name)
    expect(toast).to_contain_text(message)
    assert str(tmp_path) not in toast.inner_text()
    expect(tab.locator("[data-testid=status-tracker] .error:visible")).to_have_count(0)
    assert shows(tab, model, example(EXAMPLES[0], model))  # what was there is still there


def test_several_images_and_other_classes(visit: Open, tmp_path: Path) -> None:
    model = small_model(ClassSet.cityscapes(), num_images=3)
    camvid = ClassSet.camvid()
    into = {"tree": "vegetation", "pavement": "sidewalk", "pedestrian": "person", "bicyclist": "rider"}
    into |= {"sign symbol": "traffic sign"}
    table = np.array([model.classes.names.index(into.get(name, name)) for name in camvid.names], np.uint8)
    ids = table[example(EXAMPLES[0], model)]
    with served(model) as address:
        tab = visit(address)
        assert shows(tab, model, ids)
        outputs = tab.locator("#strip .thumbnail-item")
        expect(outputs).to_have_count(3)
        for index in (2, 1):
            before = source(tab, "#photograph")
            outputs.nth(index).click()
            wait_for_other(tab, "#photograph", before)
            assert np.array_equal(pixels(tab, "#photograph"), np.array(model.synthesize(ids)[index]))
        model.classes.to_image(ids).save(tmp_path / "layout.png")
        client = Client(address, verbose=False, download_files=tmp_path, analytics_enabled=False)
        results = client.predict(handle_file(tmp_path / "layout.png"), api_name="/synthesize")
        for result, photograph in zip(results, model.synthesize(ids), strict=True):
            assert np.array_equal(np.array(Image.open(result)), np.array(photograph))


def test_classes_without_streets(visit: Open) -> None:
    model = small_model(ClassSet(["<i>grass</i> & clover", "sea"], [(0, 200, 0), (0, 0, 200)]))
    with served(model) as address:
        tab = visit(address)
        assert tab.locator("#legend li").all_inner_texts() == ["<i>grass</i> & clover", "sea", "unlabelled"]
        expect(tab.locator("#status")).to_have_text("Upload a layout to begin.")
        expect(tab.get_by_text("Surprise me")).to_have_count(0)
        expect(tab.locator("#examples")).to_have_count(0)


# -- by the API client -------------------------------------------------------------------------------


def test_one_public_endpoint(client: Client) -> None:
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == ["/synthesize"]


@pytest.mark.parametrize("kind", ["ids", "palette", "colours"])
def test_synthesize(client: Client, model: CRN, tmp_path: Path, kind: str) -> None:
    ids = random_ids(model, (96, 160))
    images = {
        "ids": Image.fromarray(ids),
        "palette": shuffled_palette(model, ids),
        "colours": Image.fromarray(model.classes.to_colors(ids)),
    }
    images[kind].save(tmp_path / "layout.png")
    result = client.predict(handle_file(tmp_path / "layout.png"), api_name="/synthesize")
    with Image.open(result) as photograph:
        assert photograph.format == "PNG"
        assert np.array_equal(np.array(photograph), np.array(model.synthesize(ids)[0]))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Image.new("L", (64, 32), 40), "layout.png: id 40 (2,048 pixels): outside this set of 11 classes"),
        (Image.new("1", (4096, 4096)), "layout.png: 4096 x 4096 pixels are more than the 4,194,304 allowed"),
        (Image.new("1", (20_000, 10_000)), "layout.png: more pixels than the 4,194,304 allowed (Image size (2"),
    ],
    ids=["other ids", "too many pixels", "far too many pixels"],
)
def test_synthesize_refuses(client: Client, tmp_path: Path, image: Image.Image, message: str) -> None:
    image.save(tmp_path / "layout.png")
    with pytest.raises(AppError, match=re.escape(message)):
        client.predict(handle_file(tmp_path / "layout.png"), api_name="/synthesize")


def test_synthesize_needs_a_file(client: Client) -> None:
    with pytest.raises(AppError, match="a layout file is needed"):
        client.predict(None, api_name="/synthesize")


def test_unexpected_failure_gives_a_message(
    client: Client, model: CRN, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(model, "synthesize", fail)
    with pytest.raises(AppError, match="something failed in the server"):
        client.predict(handle_file(FOLDER_OF_EXAMPLES / "avenue.png"), api_name="/synthesize")
    assert "secret of the house" in caplog.text


def test_too_large_requests_are_refused(address: str) -> None:
    upload = {"files": ("layout.png", b"\0" * (MAX_FILE_SIZE + 1))}
    assert httpx.post(f"{address}/gradio_api/upload", files=upload).status_code == 413
    body = {"data": ["x" * MAX_BODY_SIZE], "fn_index": 0, "session_hash": "test"}
    assert httpx.post(f"{address}/gradio_api/queue/join", json=body).status_code == 413
    small = httpx.post(f"{address}/gradio_api/queue/join", json={**body, "data": ["x"]})
    assert small.status_code != 413


# -- app.py ------------------------------------------------------------------------------------------

# Python imports this at its start: a machine without internet, and a note of every name that was asked for.
NO_INTERNET = """
import socket, sys

def getaddrinfo(host, *args, resolve=socket.getaddrinfo, **options):
    if host not in ("127.0.0.1", "localhost"):
        print("looked up:", host, file=sys.stderr, flush=True)
        raise socket.gaierror(socket.EAI_NONAME, "no internet")
    return resolve(host, *args, **options)

socket.getaddrinfo = getaddrinfo
"""


def test_app_without_a_model_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("CRN_MODEL", str(tmp_path))
    assert runpy.run_path(str(ROOT / "app.py"))["main"]() == 1
    assert capsys.readouterr().err.startswith(f"app.py: {tmp_path}: the folder holds no config.json")


@pytest.mark.skipif(not MODEL_IN_THE_BOX.is_dir(), reason=f"the model in the box is not there yet: {MODEL_IN_THE_BOX}")
def test_app_serves_the_model_in_the_box_without_internet(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(NO_INTERNET)
    with running_app(tmp_path, {"PYTHONPATH": str(tmp_path)}) as address:
        config = httpx.get(f"{address}/config")
        assert config.status_code == 200
        assert config.json()["title"] == "Cascaded Refinement Networks"
        time.sleep(1)  # look-ups would come from a thread
        assert "looked up" not in (tmp_path / "errors").read_text()
