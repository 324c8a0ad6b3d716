"""How long commands, imports and the page take to start, in fresh processes on this machine.

    python benchmarks/starting.py                         # this checkout
    python benchmarks/starting.py . ../before --runs 7    # side by side, taking turns

Each run is a process of its own; files are in the system's cache after the first one, which isn't counted. The page has
started when Chromium shows the first photograph. Needs Chromium or Chrome, and Playwright, which the extra `dev`
installs.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import App, Parameter
from cyclopts.validators import Number
from playwright.sync_api import Browser, sync_playwright
from tqdm import tqdm

from crn_hub.cli import run

STARTS = {
    "import torch": ["-c", "import torch"],
    "import crn_hub": ["-c", "import crn_hub"],
    "from crn_hub import CRN": ["-c", "from crn_hub import CRN"],
    "crn --help": ["-m", "crn_hub", "--help"],
    "crn info box": ["-m", "crn_hub", "info", "box"],
}
PAGE = "app.py to the first photograph"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LONGEST = 120  # seconds

app = App(name="starting.py")


@app.default
def main(
    checkouts: Annotated[list[Path] | None, Parameter(negative=())] = None,
    /,
    *,
    runs: Annotated[int, Parameter(validator=Number(gte=1))] = 5,
) -> None:
    """Prints a table of medians in seconds, a column for each checkout.

    Parameters
    ----------
    checkouts
        Folders with the project; by default the current one.
    runs
        How often each start is measured.
    """
    folders = checkouts or [Path()]
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        raise FileNotFoundError(f"no browser: none of {', '.join(BROWSERS)} is in PATH.")
    if missing := [folder for folder in folders if not (folder / "app.py").is_file()]:
        raise FileNotFoundError(f"{missing[0]}: no app.py there; give the folder of a checkout.")
    times: dict[tuple[str, Path], list[float]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        for number in tqdm(range(runs + 1), unit="run"):
            for what in (*STARTS, PAGE):
                for folder in folders:
                    seconds = first_photograph(browser, folder) if what == PAGE else start(STARTS[what], folder)
                    if number:
                        times.setdefault((what, folder), []).append(seconds)
        browser.close()
    print(f"\n| seconds, medians of {runs} | " + " | ".join(map(str, folders)) + " |")
    print("|---" * (1 + len(folders)) + "|")
    for what in (*STARTS, PAGE):
        cells = [f"{np.median(times[what, folder]):.2f}" for folder in folders]
        print(f"| {what} | {' | '.join(cells)} |")


def environment(folder: Path) -> dict[str, str]:
    """The checkout's own package, whatever is installed."""
    return os.environ | {"PYTHONPATH": str(folder.resolve()), "CI": "1"}


def start(arguments: list[str], folder: Path) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment(folder), stdout=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - began


def first_photograph(browser: Browser, folder: Path) -> float:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    tab, began = browser.new_page(), time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=folder, env=environment(folder) | address, stdout=subprocess.DEVNULL
    )
    try:
        while not listens(port):
            if process.poll() is not None or time.perf_counter() - began > LONGEST:
                raise RuntimeError(f"{folder}/app.py doesn't answer within {LONGEST} s; run it by itself to see why.")
            time.sleep(0.02)
        tab.goto(f"http://127.0.0.1:{port}/")
        tab.wait_for_selector(".lp[data-ready='1'][data-shown]", timeout=1000 * LONGEST)
        return time.perf_counter() - began
    finally:
        tab.close()
        process.terminate()
        process.wait(30)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    run(app)
