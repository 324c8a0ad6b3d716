"""Measures the model in the box on held-out photographs and on painted layouts, and writes this folder's README.md.

    python benchmarks/box/measure.py "$STREETS" segmenter box-measured

Arguments: a data set whose column "source" tells CamVid and LabelMeFacade apart, a network made by crn train-segmenter
on it, and a folder for what is measured row by row, with which a stopped run continues. The results also go into the
model's training.json and card. Photographs that may not be published are left out of the pictures.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from crn_hub import CRN, ClassSet
from crn_hub.box import MODEL_IN_THE_BOX
from crn_hub.classes import UNLABELLED, read_layout
from crn_hub.data import PairDataset, find_classes, hidden_rows, load_rows
from crn_hub.hub.card import markdown_table
from crn_hub.hub.training_record import evaluations_in
from crn_hub.hub.training_summary import summarise_training
from crn_hub.metrics.appearance import sums_of_signals
from crn_hub.metrics.contact_sheet import Tiles, draw_grid, draw_styles, rows_shown, write_contact_sheets
from crn_hub.metrics.evaluation import evaluate
from crn_hub.metrics.joining import Joining
from crn_hub.metrics.plots import write_plots
from crn_hub.metrics.report import update_cards, write_report
from crn_hub.metrics.summary import MEASURES, RATIOS, Value
from crn_hub.metrics.table import ARROWS, cell
from crn_hub.metrics.texture import compare_textures, texture_quantiles
from crn_hub.pictures import to_pixels
from crn_hub.segmentation import Segmenter, load_segmenter
from crn_hub.segmentation.agreement import class_iou, count_pixels, pixel_accuracy
from crn_hub.synthesis import resize_ids

HERE = Path(__file__).parent
LAYOUTS = [HERE.parent / "model_in_the_box" / "painted", HERE.parent.parent / "crn_hub" / "demo" / "examples"]
SOURCES = {"camvid": "CamVid", "labelmefacade": "LabelMeFacade"}
COPIED = ("table.csv", "results.json", "appearance.png", "classes.png")
TILE, LINES = (128, 256), 7  # of the grid: (height, width) of a picture, and how many lines
TITLES = {measure.key: f"{measure.title} {ARROWS[measure.better]}" for measure in MEASURES}


class Described:
    """What is measured of a set of pictures, each with what it shows; one by one, added up later."""

    def __init__(self, classes: ClassSet, segmenter: Segmenter):
        self.classes, self.segmenter = classes, segmenter
        self.signals: list[np.ndarray] = []
        self.textures: list[np.ndarray] = []
        self.counts: list[np.ndarray] = []

    @torch.inference_mode()
    def add(self, pixels: np.ndarray, ids: np.ndarray) -> None:
        """A picture, uint8 (H, W, 3), and its layout, uint8 (H, W)."""
        tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]
        self.signals.append(sums_of_signals(pixels, ids, len(self.classes)))
        self.textures.append(texture_quantiles(self.segmenter, tensor, ids, self.classes))
        found = self.segmenter.label(tensor.float())[0][0].numpy()
        self.counts.append(count_pixels(found, self.segmenter.findable[ids], len(self.classes)))

    def joined(self, joining: Joining) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Signals (N, n + 1, ...), textures (N, layers, n + 1, ...), counts of all (n, n + 1)."""
        counts = joining.add_up(joining.add_up(np.sum(self.counts, axis=0), 0), 1)
        return joining.add_up(np.stack(self.signals), 1), np.stack(self.textures)[:, :, joining.region], counts


def save_small(picture: Image.Image, file: Path) -> None:
    """As a JPEG of four fifths of its size: the project has room for small pictures only."""
    picture.thumbnail((picture.width * 4 // 5, picture.height * 4 // 5), Image.Resampling.LANCZOS)
    picture.save(file, quality=80, optimize=True, progressive=True)


def measure_painted(model: CRN, data: str, segmenter_name: str) -> str:
    """Draws painted.jpg; returns a table of measures of the painted layouts against the photographs of each source."""
    classes, rows = find_classes(data), load_rows(data)[1]
    segmenter = load_segmenter(segmenter_name, classes)
    known = classes.matches_in(model.classes)[: len(classes)] != UNLABELLED
    joining = Joining(classes, known & np.array(segmenter.known))
    files = [file for folder in LAYOUTS for file in sorted(folder.glob("*.png"))]
    painted, tiles = Described(classes, segmenter), []
    for file in tqdm(files, desc="painted layouts", unit="layout"):
        ids = resize_ids(read_layout(file, classes).ids, model.size)
        image = model.synthesize(classes.translation_to(model.classes)[ids], num_images=1)[0]
        painted.add(np.asarray(image), ids)
        tiles.append((file.stem, classes.to_image(ids).convert("RGB"), image))
    save_small(draw_painted(tiles), HERE / "painted.jpg")

    examples = {file.stem: read_layout(file, model.classes).ids for file in files if file.parent == LAYOUTS[1]}
    save_small(draw_styles(model, examples, TILE), HERE / "styles.jpg")

    columns = {}
    for source, name in SOURCES.items():
        photographs, pairs = Described(classes, segmenter), PairDataset(rows, classes, model.size)
        pairs.used = [row for row, of in enumerate(rows["source"]) if of == source]
        for index in tqdm(range(len(pairs)), desc=name, unit="photograph"):
            photographs.add(to_pixels(pairs[index]["photograph"]), pairs[index]["ids"].numpy())
        columns[f"against {name}'s photographs"] = compare(painted, photographs, joining)
    *_, counts = painted.joined(joining)
    found = f"The segmentation network finds {float(pixel_accuracy(counts)):.0%} of the painted pixels again (mIoU "
    lines = [[TITLES[key], *(f"{column[key]:.3g}" for column in columns.values())] for key in (*RATIOS, "texture")]
    return f"{markdown_table(['', *columns], lines)}\n\n{found}{float(np.nanmean(class_iou(counts))):.3f})."


def compare(painted: Described, photographs: Described, joining: Joining) -> dict[str, float]:
    """The measures that need no photograph of the same layout, by the keys of `MEASURES`."""
    signals, textures, _ = painted.joined(joining)
    of_photographs, their_textures, _ = photographs.joined(joining)
    found = {}
    for key, statistic in RATIOS.items():
        found[key] = float(statistic(signals.sum(axis=1)) / statistic(of_photographs.sum(axis=1)))
    pixels = signals[..., 0], of_photographs[..., 0]
    found["texture"] = float(compare_textures(textures, their_textures, pixels)[0][0])
    return found


def draw_painted(tiles: list[tuple[str, Image.Image, Image.Image]]) -> Image.Image:
    """Layouts and what the model makes of them, side by side, in as many columns as needed."""
    across = -(-len(tiles) // LINES)
    lines: list[tuple[str, Tiles]] = []
    for line in range(LINES):
        of_line = tiles[line::LINES]
        blank = Image.new("RGB", TILE[::-1], "white")
        pictures: Tiles = [picture for _, layout, image in of_line for picture in (layout, image)]
        lines.append(("\n".join(name for name, *_ in of_line), pictures + [blank] * (2 * across - len(pictures))))
    return draw_grid(["layout", "box"] * across, lines, TILE)


def write_readme(painted: str) -> None:
    """README.md, from what has been measured."""
    training = summarise_training(json.loads((MODEL_IN_THE_BOX / "training.json").read_text(encoding="utf-8")))
    parts = []
    for source, name in SOURCES.items():
        results = json.loads((HERE / source / "results.json").read_text())
        parts += [
            f"## On {results['facts']['rows']} held-out photographs of {name}",
            table_of(results),
            f"![Contrast, colours and brightness against the photographs]({source}/appearance.png)",
            f"![Layouts, the model's images, photographs where they may be shown]({source}/contact-sheet.jpg)",
            f"The rest: [each class]({source}/classes.png), all numbers as [CSV]({source}/table.csv) and "
            f"[JSON]({source}/results.json), with the conditions.",
        ]
    text = [
        "# The model in the box, measured",
        f"`{MODEL_IN_THE_BOX.name}`, trained on {training.dataset}. This page, its pictures and its numbers are "
        "written by `measure.py`, which `scripts/renew_box.py` runs whenever the model changes; how the measures are "
        "meant is in [docs/evaluation.md](../../docs/evaluation.md). The two sources are kept apart, because CamVid is "
        "overcast or dusk and LabelMeFacade sunny: a sunny picture of a grey day is no fault. No photograph of "
        "LabelMeFacade may be published, so its sheet has none.",
        "```bash\n"
        'crn train-segmenter --dataset "$STREETS" --output segmenter\n'
        'python benchmarks/box/measure.py "$STREETS" segmenter box-measured\n'
        "```",
        f"Ratios are to the photographs' own: 1 is alike, fog is far below in the fine bands. {conditions()}",
        *parts,
        "## On painted layouts",
        "Layouts painted by hand, and those that the demo starts with. Nobody has photographed them, so their pictures "
        "are compared with all held-out photographs of a source together.",
        painted,
        "![Painted layouts and the model's images](painted.jpg)",
        "## In all styles",
        "The layouts that the demo starts with. A style has the colours of one training photograph's regions.",
        "![The demo's layouts in the styles of the model](styles.jpg)",
    ]
    (HERE / "README.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")


def table_of(results: dict[str, Any]) -> str:
    columns = [*results["models"], *(results[name] for name in ("other photographs", "photographs") if results[name])]
    titles = [
        "",
        "box",
        "box, photographs' own colours",
        *(name for name in ("other photographs", "photographs") if results[name]),
    ]
    lines = []
    for measure in MEASURES:
        if measure.key in results["models"][0]["measures"]:
            values = [column["measures"].get(measure.key) for column in columns]
            cells = [cell(Value(*value)) if value else "-" for value in values]
            lines.append([f"{measure.title.format(features='VGG-16')} {ARROWS[measure.better]}", *cells])
    return markdown_table(titles, lines)


def conditions() -> str:
    """A sentence on the segmentation network."""
    segmenter = json.loads((HERE / "camvid" / "results.json").read_text())["facts"]["segmenter"]
    training = segmenter["training"]
    return (
        f"The segmentation network was trained on {training['rows']} rows of {training['dataset']}; on the "
        f"{training['validation']['rows']} held-out ones its mIoU is {training['validation']['miou']:.3f}."
    )


def measure(data: str, segmenter: str, output: Path) -> dict[str, list[int]]:
    """Everything; the arguments are those of the script.

    Returns:
        The rows whose photographs a picture here shows, by the picture's path in this folder.
    """
    photographs = {}
    box = [str(MODEL_IN_THE_BOX)]
    for evaluation in evaluate(box, data, output, segmenter=segmenter, apart="source"):
        source, hidden = evaluation.folder.name, hidden_rows(evaluation.data.rows)
        (HERE / source).mkdir(exist_ok=True)
        write_report(evaluation, evaluation.folder)
        write_contact_sheets(evaluation, evaluation.folder, hidden)
        write_plots(evaluation, evaluation.folder)
        update_cards(evaluation)
        for name in COPIED:
            (HERE / source / name).write_bytes((evaluation.folder / name).read_bytes())
        with Image.open(evaluation.folder / "contact-sheet.png") as sheet:
            save_small(sheet.convert("RGB"), HERE / source / "contact-sheet.jpg")
        photographs[f"{source}/contact-sheet.jpg"] = [row for row in rows_shown(evaluation) if row not in hidden]
    model = CRN.from_pretrained()
    model.training_record["evaluations"] = evaluations_in(model.training_record)[-len(SOURCES) :]  # type: ignore[typeddict-item]
    model.save_card(MODEL_IN_THE_BOX)
    write_readme(measure_painted(model, data, segmenter))
    return photographs


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit("usage: python benchmarks/box/measure.py DATA SEGMENTER OUTPUT")
    try:
        measure(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
