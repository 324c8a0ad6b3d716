"""The demo in a real Chromium, on a server of its own.

Without a Chromium the tests skip that use `browser` or `visit`, unless CRN_REQUIRE_BROWSER=1 is set: then they fail.
"""

import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)

APP = Path(__file__).parent.parent / "app.py"
Open = Callable[..., Page]  # what the fixture `visit` is


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def source(tab: Page, element: str) -> str:
    return tab.locator(f"{element} img").first.get_attribute("src") or ""


def pixels(tab: Page, element: str) -> np.ndarray:
    """The RGB pixels of the file that a picture on the page shows."""
    body = tab.request.get(source(tab, element)).body()
    return np.array(Image.open(io.BytesIO(body)).convert("RGB"))


def wait_for_other(tab: Page, element: str, before: str) -> None:
    expect(tab.locator(f"{element} img").first).not_to_have_attribute("src", before, timeout=15_000)


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
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


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Opens an address in a tab of its own; whatever the tab then asks for must come from loopback."""
    contexts = []
    asked: list[str] = []

    def visit(address: str, width: int = 1440, height: int = 900) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(15_000)
        context.on("request", lambda request: asked.append(request.url))
        contexts.append(context)
        tab = context.new_page()
        tab.goto(address)
        expect(tab.locator("#legend")).to_be_visible(timeout=15_000)
        return tab

    yield visit
    for context in contexts:
        context.close()
    assert asked
    assert [url for url in asked if not re.match(r"(http://127\.0\.0\.1:\d+/|data:|blob:)", url)] == []
