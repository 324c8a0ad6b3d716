"""Compares candidates for the model in the box by measures and pictures.

    python benchmarks/model_in_the_box/compare.py "$CAMVID" segmenter comparison box crn-new

Writes into the output folder: `evaluation/`, of `crn evaluate` on the held-out rows; `evaluation-simplified/`, the same
with layouts simplified as if painted; held-out.jpg, twelve held-out layouts spread evenly over the rows; painted.jpg
and painted.md, the layouts of `paint.py` and three procedural streets. Grids show all images of each model. A model is
a folder, a Hub id, or "box" for the model that comes with the package. Photographs that may not be published are
left out.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from datasets import DatasetDict
from PIL import Image

from crn_hub import CRN
from crn_hub.classes import ClassSet, read_layout
from crn_hub.commands.evaluate import evaluate
from crn_hub.data import PairDataset, find_classes, hidden_rows, load_rows, spread
from crn_hub.data.simplification import simplify
from crn_hub.files import appearing_in
from crn_hub.metrics.contact_sheet import Tiles, draw_grid
from crn_hub.pictures import to_pixels
from crn_hub.scenes import SCENE_CLASSES, street_scene
from crn_hub.segmentation import Segmenter, load_segmenter
from crn_hub.segmentation.agreement import count_pixels, pixel_accuracy

PAINTED = Path(__file__).parent / "painted"
SHOWN_ROWS, SCENES, SIZE = 12, (3, 8, 21), (256, 512)
TILE = (128, 256)  # height, width


def simplified_rows(data: str, output: Path) -> None:
    """The held-out rows with the same photographs and simplified layouts, as a data set in a folder."""
    rows, classes = load_rows(data)[1], find_classes(data)
    pairs = PairDataset(rows, classes, SIZE)

    def changed(row: dict[str, Image.Image], index: int) -> dict[str, Image.Image]:
        ids = simplify(pairs.decode(index)[1], len(classes), np.random.default_rng(index))
        return row | {"label": Image.fromarray(ids)}

    DatasetDict({"validation": rows.map(changed, with_indices=True)}).save_to_disk(output)
    (output / "classes.json").write_text(json.dumps(classes.to_list()))


def titles_of(models: dict[str, CRN]) -> list[str]:
    return [f"{name}, image {u + 1}" for name, model in models.items() for u in range(model.num_images)]


def draw_held_out(data: str, models: dict[str, CRN], file: Path) -> None:
    """Layout | all images of each model | photograph, for the twelve fixed rows."""
    pairs = PairDataset(load_rows(data)[1], find_classes(data), SIZE)
    hidden, lines = hidden_rows(pairs.rows), []
    for index in spread(len(pairs), SHOWN_ROWS):
        pair = pairs[index]
        ids = pair["ids"].numpy()
        outputs = [picture for model in models.values() for picture in model.synthesize(ids)]
        photograph = None if index in hidden else Image.fromarray(to_pixels(pair["photograph"]))
        lines.append((f"row {index}", [pairs.classes.to_image(ids).convert("RGB"), *outputs, photograph]))
    draw_grid(["layout", *titles_of(models), "photograph"], lines, TILE).save(file, quality=90)


def painted_layouts(classes: ClassSet) -> dict[str, np.ndarray]:
    """Name -> ids of the painted layouts and of some procedural streets."""
    layouts = {file.stem: read_layout(file, classes).ids for file in sorted(PAINTED.glob("*.png"))}
    known = ClassSet.load(SCENE_CLASSES).translation_to(classes)
    return layouts | {f"street {seed}": known[street_scene(seed, SIZE)[0]] for seed in SCENES}


@torch.inference_mode()
def try_painted(models: dict[str, CRN], segmenter: Segmenter, output: Path) -> None:
    """The models on layouts without photographs: a grid, and a table of signs that a picture has collapsed."""
    classes = segmenter.classes
    layouts = painted_layouts(classes)
    text = [
        "Share of the pixels in which the segmenter finds the painted class, share of values that are 0 or 255, and"
    ]
    text += ["standard deviation of the brightness (0..255); means over the images.", ""]
    text += ["| layout | " + " | ".join(models) + " |", "| --- " * (1 + len(models)) + "|"]
    lines = []
    for name, ids in layouts.items():
        pictures: Tiles = [classes.to_image(ids).convert("RGB")]
        cells = []
        for model in models.values():
            images = model.synthesize(ids)
            pixels = np.stack([np.asarray(image) for image in images])  # (K, H, W, 3)
            found = segmenter.label(torch.from_numpy(pixels).movedim(-1, 1).float())[0].numpy()
            counts = np.sum([count_pixels(of_image, ids, len(classes)) for of_image in found], axis=0)
            right = pixel_accuracy(counts)
            clipped = ((pixels == 0) | (pixels == 255)).mean()
            contrast = pixels.mean(axis=-1).std(axis=(1, 2)).mean()
            agreement = "-" if np.isnan(right) else f"{right:.2f}"
            cells.append(f"{agreement}, {clipped:.1%}, {contrast:.0f}")
            pictures += images
        lines.append((name, pictures))
        text.append(f"| {name} | " + " | ".join(cells) + " |")
    draw_grid(["layout", *titles_of(models)], lines, TILE).save(output / "painted.jpg", quality=90)
    (output / "painted.md").write_text("\n".join(text) + "\n")


def main() -> None:
    if len(sys.argv) < 5:
        sys.exit("usage: python benchmarks/model_in_the_box/compare.py DATA SEGMENTER OUTPUT MODEL...")
    data, segmenter, output, names = sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4:]
    output.mkdir(parents=True, exist_ok=True)
    if len({Path(name).name for name in names}) < len(names):
        sys.exit(f"{' '.join(names)}: two models have the same name; rename a folder")
    models = {Path(name).name: CRN.from_pretrained(name) for name in names}
    try_painted(models, load_segmenter(segmenter, next(iter(models.values())).classes), output)
    draw_held_out(data, models, output / "held-out.jpg")
    evaluate(names, dataset=data, segmenter=segmenter, output=output / "evaluation", for_publication=True)
    if not (output / "simplified").exists():
        with appearing_in(output / "simplified") as draft:
            simplified_rows(data, draft)
    evaluate(
        names, dataset=str(output / "simplified"), split="validation", segmenter=segmenter,
        output=output / "evaluation-simplified", for_publication=True,
    )  # fmt: skip


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(str(error))
