"""Renews all that the project says and shows of the model in the box, so that it is about the model that is there.

    python scripts/renew_box.py "$STREETS" segmenter box-measured
    python scripts/renew_box.py "$STREETS" segmenter box-measured crn-256

Arguments: a data set whose column "source" tells CamVid and LabelMeFacade apart, a network made by crn train-segmenter
on it, and a folder for measurements (benchmarks/box/measure.py). With a fourth one that model is put in the box first
(put_in_box.py). Needs a Chromium for the screenshot.

What is renewed: the measures and notes in its training record and card; benchmarks/box; the first picture of README.md,
docs/lights.jpg, with its caption; the screenshot of the demo; the pinned outputs of tests/test_box.py; the terms
(state_terms.py). tests/data/box_quotes.json then lists the files, with the fingerprint of the model they are about.
"""

import hashlib
import json
import runpy
import shutil
import sys
import textwrap
from pathlib import Path

from playwright.sync_api import sync_playwright
from put_in_box import list_pictures, pin_outputs, put_in_box, shown_layouts
from state_terms import replaced, state_terms

from crn_hub import CRN
from crn_hub.box import MODEL_IN_THE_BOX
from crn_hub.data import find_classes, load_rows
from crn_hub.data.known_collections import COLLECTIONS
from crn_hub.demo import launch
from crn_hub.fingerprint import fingerprint
from crn_hub.hub.training_record import TrainingRecord, evaluations_in
from crn_hub.hub.training_summary import summarise_training
from crn_hub.metrics.contact_sheet import draw_styles
from crn_hub.segmentation import load_segmenter

ROOT = Path(__file__).parent.parent
BENCHMARK, SCREENSHOT = ROOT / "benchmarks" / "box", ROOT / "docs" / "demo.jpg"
LIGHTS, SHOWN_STYLES = ROOT / "docs" / "lights.jpg", ("brick under a blue sky", "midday", "overcast", "dusk")
QUOTES = ROOT / "tests" / "data" / "box_quotes.json"
RESULTS = (".csv", ".jpg", ".json", ".md", ".png")
# What is still wrong with the images of the present model; to be written anew by whoever looks at those of another.
TO_THE_EYE = (
    "To the eye: far streets, trees, roads and walls with painted windows come near photographs. Large walls without "
    "windows and cars near the camera are a relief of patches, often with a yellow seam where shop signs would be; "
    "people are silhouettes, signs are empty, and light windows look like closed blinds."
)
IS_SHOWN = """() => {
    const painter = document.querySelector('.lp[data-ready="1"]');
    const photograph = painter?.querySelector('.lp-photograph');
    return photograph?.dataset.state === 'ready' && painter.dataset.revision === painter.dataset.shown;
}"""


def measures_in_words(record: TrainingRecord) -> str:
    """A sentence on how near the model's images are to photographs, from its evaluations."""
    shares: dict[str, list[str]] = {}  # for each measure that of each source
    for evaluation in evaluations_in(record):
        source = COLLECTIONS[evaluation["part"].removeprefix("source ")].name
        for measure in evaluation["measures"]:
            shares.setdefault(measure["name"].rpartition(" ")[0], []).append(f"{measure['value']:.0%} ({source})")
    fine, coarse, colours, light = (
        " and ".join(next(values for name, values in shares.items() if name.startswith(beginning)))
        for beginning in ("contrast of details, below 1", "contrast of details, 8", "colourfulness", "brightness")
    )
    return (
        f"Of the contrast that held-out photographs have in their finest details its images have {fine}, of that of "
        f"large shapes {coarse}, of their colourfulness {colours} and of their brightness {light}."
    )


def notes(record: TrainingRecord) -> str:
    """What the card says of the model's limits."""
    return (
        f"{measures_in_words(record)} What is far below 100 % is missing in its images; benchmarks/box in the "
        f"repository of crn_hub shows them. {TO_THE_EYE} The photographs measured are few, so small differences mean "
        "nothing, and CamVid's are from the same drives as those that it was trained on."
    )


def readme_picture(model: CRN) -> str:
    """The first picture of README.md and its caption."""
    folder = f"crn_hub/pretrained/{MODEL_IN_THE_BOX.name}"
    hardware = [*dict.fromkeys(stage["hardware"] for stage in summarise_training(model.training_record).stages)]
    caption = (
        "*What the model that comes with the package makes of three layouts in four of its styles. It was trained on "
        f"{model.training_record['dataset']}, on {', then '.join(hardware)}. "
        f"{measures_in_words(model.training_record)} Its [card]({folder}/README.md) says more, and "
        "[benchmarks/box](benchmarks/box/README.md) shows what it makes of all kinds of layouts.*"
    )
    picture = f"![Layouts, and photographs of them in different light and colours]({LIGHTS.relative_to(ROOT)})"
    return f"{picture}\n\n{textwrap.fill(caption, 120, break_on_hyphens=False, break_long_words=False)}\n"


def readme(model: CRN) -> str:
    """README.md with that picture."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return replaced(text, r"^!\[Layouts, and photographs.*\n\n(.+\n)+", readme_picture(model), "README.md")


def take_screenshot(model: CRN, file: Path) -> None:
    """The demo as it opens."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    page, address = launch(model, server_name="127.0.0.1", prevent_thread_lock=True, quiet=True)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            tab = browser.new_page(viewport={"width": 1440, "height": 900})
            tab.goto(address)
            tab.wait_for_function(IS_SHOWN)
            tab.evaluate("document.fonts.ready")
            tab.wait_for_function("[...document.images].every((image) => image.complete)")
            tab.wait_for_selector("#facts")  # the page's end
            tab.wait_for_function("!document.querySelector('.lp-old')")  # the strip is complete
            tab.screenshot(path=file, type="jpeg", quality=88)
            browser.close()
    finally:
        page.close(verbose=False)


def quoting_files() -> list[Path]:
    """The files that this script makes and that would be about another model if the one in the box changed."""
    return [SCREENSHOT, LIGHTS, *sorted(file for file in BENCHMARK.rglob("*") if file.suffix in RESULTS)]


def quotes(model: CRN) -> dict[str, object]:
    """What tests/data/box_quotes.json holds: the model's fingerprint, and the SHA-256 of each file about it."""
    return {
        "model": fingerprint(model, model.config),
        "files": {str(f.relative_to(ROOT)): hashlib.sha256(f.read_bytes()).hexdigest() for f in quoting_files()},
    }


def main() -> None:
    if len(sys.argv) not in (4, 5):
        sys.exit("usage: python scripts/renew_box.py DATA SEGMENTER MEASUREMENTS [MODEL_FOLDER]")
    data, segmenter, measurements = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    try:
        load_rows(data)  # what is wrong with the arguments is found before anything changes
        load_segmenter(segmenter, find_classes(data))
        if len(sys.argv) == 5:
            put_in_box(Path(sys.argv[4]), data)
        photographs = runpy.run_path(str(BENCHMARK / "measure.py"))["measure"](data, segmenter, measurements)
        pictures = {str(f.relative_to(BENCHMARK)): f for f in BENCHMARK.rglob("*") if f.suffix in (".jpg", ".png")}
        shown = {name: {"streets/validation": photographs[name]} if photographs.get(name) else {} for name in pictures}
        list_pictures("benchmarks/box", shown)
        model = CRN.from_pretrained()
        model.training_record["notes"] = notes(model.training_record)
        model.save_card(MODEL_IN_THE_BOX)
        (ROOT / "README.md").write_text(readme(model), encoding="utf-8")
        state_terms()
        pin_outputs()
        draw_styles(model, shown_layouts(model), (192, 384), SHOWN_STYLES).save(LIGHTS, quality=80)
        take_screenshot(model, SCREENSHOT)
        QUOTES.write_text(json.dumps(quotes(model), indent=2) + "\n")
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
