"""How much of a photograph a stroke changes: what an engine could save that computes only what has changed.

    python benchmarks/changed_pixels.py --strokes 40

Strokes like those of stroke_latency.py on the starting layouts, with the model in the box. Normalisation is over the
whole picture, and coarse modules see all of it, so in the strictest sense everything changes; the question is by how
much. "Arithmetic" is the share that is left if the finest modules are computed only in the bounding box of the pixels
that change by more than 1 of 255, widened by what their convolutions see, and all others everywhere.
"""

from typing import Annotated

import numpy as np
from cyclopts import App, Parameter
from cyclopts.validators import Number
from PIL import Image, ImageDraw
from tqdm import tqdm

from crn_hub import CRN
from crn_hub.cli import run
from crn_hub.demo.starting_layouts import examples
from crn_hub.hub.card import markdown_table

BRUSHES = (6, 20, 60)  # pixels across
LENGTH = (60, 40)  # pixels, as in stroke_latency.py at the layout's own size
THRESHOLDS = (0, 1, 4, 16)  # of 255
SEEN = 4  # pixels that the two convolutions of a module see beyond its own, and the resizing before them

app = App(name="changed_pixels.py")


@app.default
def main(*, strokes: Annotated[int, Parameter(validator=Number(gte=1))] = 40) -> None:
    """Prints a table of medians.

    Parameters
    ----------
    strokes
        How many of each width.
    """
    model = CRN.from_pretrained()
    layouts = examples(model)
    rng = np.random.default_rng(0)
    rows = []
    for brush in BRUSHES:
        found = []
        for number in tqdm(range(strokes), desc=f"{brush} pixels", leave=False):
            before = layouts[number % len(layouts)]
            after = painted(before, brush, rng)
            pictures = [np.asarray(model.synthesize(ids)[0], np.int16) for ids in (before, after)]
            apart = np.abs(pictures[0] - pictures[1]).max(axis=2)
            shares = [(apart > threshold).mean() for threshold in THRESHOLDS]
            found.append([(before != after).mean(), *shares, *(arithmetic(model, apart > t) for t in (1, 16))])
        middle = np.median(found, axis=0)
        rows.append([f"{brush}", *(f"{share:.1%}" for share in middle)])
    head = ["brush, pixels", "layout changed", *(f"picture by more than {t}" for t in THRESHOLDS)]
    print(markdown_table([*head, "arithmetic left, more than 1", "more than 16"], rows))


def painted(ids: np.ndarray, brush: int, rng: np.random.Generator) -> np.ndarray:
    """A stroke of another class than the one where it begins."""
    height, width = ids.shape
    x, y = rng.uniform(0.1, 0.8) * width, rng.uniform(0.1, 0.7) * height
    kinds = np.setdiff1d(np.unique(ids), [ids[int(y), int(x)], 255])
    picture = Image.fromarray(ids.copy())
    ImageDraw.Draw(picture).line((x, y, x + LENGTH[0], y + LENGTH[1]), int(rng.choice(kinds)), brush)
    return np.asarray(picture)


def arithmetic(model: CRN, changed: np.ndarray) -> float:
    """The share of the network's arithmetic that is left if fine modules skip what lies outside the changed box."""
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    if not len(rows):
        return 0.0
    left = total = 0.0
    for layer in model.convolutions:
        scale = model.size[0] / layer.size[0]
        sides = [
            min(length, (found[-1] - found[0] + 1) / scale + 2 * SEEN)
            for found, length in ((rows, layer.size[0]), (columns, layer.size[1]))
        ]
        left += layer.flop * sides[0] * sides[1] / (layer.size[0] * layer.size[1])
        total += layer.flop
    return left / total


if __name__ == "__main__":
    run(app)
