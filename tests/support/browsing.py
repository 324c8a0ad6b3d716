"""The demo in a real Chromium, on a server of its own.

Without a Chromium the tests skip that use `browser` or `visit`, unless CRN_REQUIRE_BROWSER=1 is set: then they fail.
"""

import base64
import io
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from crn_hub import CRN, ClassSet
from crn_hub.demo import launch
from crn_hub.styles import Style
from support import ROOT, free_port

CHROMIUM_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)

APP = ROOT / "app.py"
Open = Callable[..., Page]  # what the fixture `visit` is


def small_model(classes: ClassSet, num_images: int = 1) -> CRN:
    """A random network for images of 64 x 128 pixels."""
    torch.manual_seed(0)
    return CRN(classes, widths=(8,) * 5, num_images=num_images).eval()


def styled_model() -> CRN:
    """A random network with three styles, for images of 64 x 128 pixels of streets."""
    classes = ClassSet.streets()
    torch.manual_seed(0)
    model = CRN(classes, widths=(8,) * 5, region_colors=True, noise_planes=True).eval()
    kinds = [*range(len(classes)), 255]
    model.set_styles(
        Style(name, {kind: ((color, 0.75), (tuple(255 - level for level in color), 0.25)) for kind in kinds})
        for name, color in (("noon", (200, 210, 230)), ("dusk", (40, 50, 90)), ("rust", (150, 60, 30)))
    )
    return model


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


PAINTER = "document.querySelector('.lp').painter"


def size_of(tab: Page) -> tuple[int, int]:
    """(height, width) of the layout on the page."""
    height, width = tab.evaluate(f"[{PAINTER}.layout.height, {PAINTER}.layout.width]")
    return height, width


def plane(tab: Page, name: str = "ids") -> np.ndarray:
    """The layout's ids on the page, or which output each pixel is taken from ("choice"): uint8 (H, W)."""
    text = tab.evaluate(f"Array.from({PAINTER}.layout.{name}, (v) => String.fromCharCode(v)).join('')")
    return np.frombuffer(text.encode("latin-1"), np.uint8).reshape(size_of(tab))


def settled(tab: Page, revision: int | None = None) -> None:
    """Waits until the photograph is that of the layout as it is, and at least of this revision."""
    tab.wait_for_function(
        """(least) => {
            const painter = document.querySelector('.lp[data-ready="1"]');
            if (!painter) return false;
            const { revision, shown } = painter.dataset;
            const { state } = painter.querySelector('.lp-photograph').dataset;
            return revision === shown && state === 'ready' && (least === null || Number(revision) >= least);
        }""",
        arg=revision,
    )


def frame(tab: Page) -> None:
    """Waits for two frames; moves of pointers, for instance, come once a frame."""
    tab.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def revision(tab: Page) -> int:
    """How often the layout on the page has changed."""
    return int(tab.locator(".lp").get_attribute("data-revision") or 0)


def photograph(tab: Page) -> bytes:
    """The file that the page shows as the photograph, a JPEG."""
    kind, content = (tab.locator(".lp-photograph img").get_attribute("src") or "").split(",")
    assert kind == "data:image/jpeg;base64"
    return base64.b64decode(content)


def jpeg(picture: Image.Image) -> bytes:
    """The file in which the page gets a picture."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=92, subsampling=0)
    return file.getvalue()


@contextmanager
def running_app(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """app.py in a process of its own, and its address; what it says on stderr goes to `folder`/errors."""
    port = free_port()
    environment = {
        **os.environ, "CI": "1", "GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_TEMP_DIR": str(folder / "gradio"), "PYTHONUNBUFFERED": "1", **environment,
    }  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    with open(folder / "errors", "w") as errors:
        app = subprocess.Popen(
            [sys.executable, APP], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=errors
        )
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    httpx.get(f"{address}/config")
                    break
                except httpx.ConnectError:
                    assert app.poll() is None, (folder / "errors").read_text()
                    assert time.monotonic() < deadline, "no answer within 60 s"
                    time.sleep(0.2)
            yield address
        finally:
            app.terminate()
            app.wait(timeout=10)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        reason = f"no Chromium on this machine: none of {', '.join(names)} is in PATH"
        if os.environ.get("CRN_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def usual_context(browser: Browser) -> BrowserContext:
    """That of all tabs without options of their own; what it has loaded once it need not load for the next test."""
    return browser.new_context()


@pytest.fixture
def visit(browser: Browser, usual_context: BrowserContext) -> Iterator[Open]:
    """Opens an address in a tab; whatever the tab then asks for must come from loopback.

    Tabs of a test share what pages keep in the browser, but don't see what earlier tests have left there; a tab with
    options shares nothing.
    """
    own_contexts = []
    asked: list[str] = []
    failures: list[str] = []

    def ask(request: Request) -> None:
        asked.append(request.url)

    def visit(address: str, width: int = 1440, height: int = 900, **options: Any) -> Page:
        context = usual_context
        if options:
            context = browser.new_context(**options)
            context.on("request", ask)
            own_contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(15_000)
        tab.set_viewport_size({"width": width, "height": height})
        if len(context.pages) == 1:
            everything = {"origin": address, "storageTypes": "cookies,local_storage"}
            context.new_cdp_session(tab).send("Storage.clearDataForOrigin", everything)
        tab.on("pageerror", lambda error: failures.append(str(error)))
        tab.goto(address)
        # With the page's end there is a scroll bar; with its own font the header has another height.
        tab.wait_for_function(
            """() => document.querySelector('.lp[data-ready="1"]')?.checkVisibility()
                && document.querySelector('#facts')?.checkVisibility()
                && document.querySelector('#open-layout input[type=file]') !== null
                && document.fonts.status === 'loaded'"""
        )
        settled(tab)
        frame(tab)  # before the first one is painted, browsers lose clicks
        return tab

    usual_context.on("request", ask)
    yield visit
    usual_context.remove_listener("request", ask)
    for tab in usual_context.pages:
        tab.close()
    for context in own_contexts:
        context.close()
    assert not failures, failures  # no script of the page has failed
    assert asked
    assert [url for url in asked if not re.match(r"(http://127\.0\.0\.1:\d+/|data:|blob:)", url)] == []
