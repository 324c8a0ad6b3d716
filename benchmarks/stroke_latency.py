"""How long the page takes from the end of a stroke to the new photograph, in a real Chromium on this machine.

    python benchmarks/stroke_latency.py                    # the model in the box, 50 strokes for each line
    python benchmarks/stroke_latency.py crn-out --strokes 20

Server and browser share the machine, as in local use; a Space adds the latency of the internet. The page itself
measures: "total" ends when the photograph is decoded, "network" is the time of `HubModel.synthesize` in the server.
Strokes come one after the other; for a model with styles also after pauses, so that they find the server at work on the
strip of small photographs; and a change of style is measured as a stroke is.
Needs Chromium or Chrome, and Playwright, which the extra `dev` installs.
"""

import shutil
import socket
from collections.abc import Callable
from typing import Annotated

import numpy as np
import torch
from cyclopts import App, Parameter
from cyclopts.validators import Number
from playwright.sync_api import Page, sync_playwright
from tqdm import tqdm

from crn_hub import HubModel
from crn_hub.box import BOX
from crn_hub.cli import run
from crn_hub.demo import launch

WARM_UP = 5  # strokes that are not counted
PAUSES = (0.5, 1.2)  # seconds, between the shortest and the longest: the strip of seven styles takes longer
SCALES = (1, 2, 4)  # sizes of the layout as multiples of the model's
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

app = App(name="stroke_latency.py")


@app.default
def main(model: str = BOX, *, strokes: Annotated[int, Parameter(validator=Number(gte=1))] = 50) -> None:
    """Prints a table of medians and 90th percentiles.

    Parameters
    ----------
    model
        A folder, a Hub id, or "box" for the model that comes with the package.
    strokes
        How many strokes to measure for each line.
    """
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        raise FileNotFoundError(f"no browser: none of {', '.join(BROWSERS)} is in PATH.")
    network = HubModel.from_pretrained(model)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    page, address = launch(
        network, server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, quiet=True, inbrowser=False
    )
    height, width = network.size
    rows = []
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=browser_path, args=flags)
        try:
            tab = browser.new_page(viewport={"width": 1440, "height": 900})
            tab.goto(address)
            tab.wait_for_selector(".lp[data-ready='1']")
            tab.wait_for_selector("#facts")
            for scale in SCALES:
                size = f"{width * scale}x{height * scale}"
                if scale > 1:
                    before = revision(tab)
                    tab.get_by_label("Size of the layout").select_option(size)
                    wait_for(tab, before + 1)
                rows.append((size, measure(size, strokes, lambda n: stroke(tab, n))))
                if scale == 1 and network.styles:
                    rows.append((f"{size}, after a pause", measure("pauses", strokes, lambda n: late_stroke(tab, n))))
                    rows.append((f"{size}, a style", measure("styles", strokes, lambda n: change_style(tab, n))))
        finally:
            browser.close()
            page.close(verbose=False)
    print(f"\n{strokes} strokes each; {network.gflop:.1f} GFLOP a layout; {torch.get_num_threads()} threads; ms")
    print("\n| layout | total, median | total, 90 % | network, median | network's share | all else, median |")
    print("|---|---|---|---|---|---|")
    for size, times in rows:
        total, synthesis = times.T
        print(
            f"| {size.replace('x', ' x ')} | {np.median(total):.0f} | {np.percentile(total, 90):.0f} "
            f"| {np.median(synthesis):.0f} | {np.median(synthesis / total):.0%} | {np.median(total - synthesis):.0f} |"
        )


def measure(what: str, strokes: int, act: Callable[[int], tuple[float, float]]) -> np.ndarray:
    """(strokes, 2): total and network, in milliseconds, without those that warm up."""
    return np.array([act(n) for n in tqdm(range(WARM_UP + strokes), desc=what, unit="stroke")])[WARM_UP:]


def late_stroke(tab: Page, number: int) -> tuple[float, float]:
    """A stroke after a pause, of a length that differs from stroke to stroke."""
    shortest, longest = PAUSES
    tab.wait_for_timeout(1000 * (shortest + (longest - shortest) * (number * 0.618 % 1)))
    return stroke(tab, number)


def change_style(tab: Page, number: int) -> tuple[float, float]:
    before, styles = revision(tab), tab.locator(".lp-output")
    styles.nth((number + 1) % styles.count()).click()
    wait_for(tab, before + 1)
    return times_of(tab)


def revision(tab: Page) -> int:
    return int(tab.locator(".lp").get_attribute("data-revision") or 0)


def wait_for(tab: Page, number: int) -> None:
    tab.wait_for_function(
        "n => (({ revision, shown }) => revision == n && shown == n)(document.querySelector('.lp').dataset)",
        arg=number,
        timeout=60_000,
    )


def stroke(tab: Page, number: int) -> tuple[float, float]:
    """One stroke of the brush, in another place and class each time -> total and network in milliseconds."""
    before = revision(tab)
    tab.keyboard.press(str(1 + number % 9))
    box = tab.locator(".lp-canvas").bounding_box()
    assert box
    x = box["x"] + box["width"] * (0.1 + 0.7 * (number * 0.618 % 1))
    y = box["y"] + box["height"] * (0.1 + 0.6 * (number * 0.414 % 1))
    for _ in range(2):  # again with the next class if all pixels had this one already
        tab.mouse.move(x, y)
        tab.mouse.down()
        tab.mouse.move(x + 60, y + 40, steps=6)
        tab.mouse.up()
        if revision(tab) > before:
            break
        tab.keyboard.press(".")
    wait_for(tab, before + 1)
    return times_of(tab)


def times_of(tab: Page) -> tuple[float, float]:
    """Total and network of the photograph that is shown, in milliseconds."""
    total, synthesis = tab.evaluate("(({ total, network }) => [total, network])(document.querySelector('.lp').dataset)")
    return float(total), float(synthesis)


if __name__ == "__main__":
    run(app)
