"""The crn command (also `python -m crn_hub`), and how every command of the project ends."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number
from huggingface_hub.utils import logging as hub_logging
from safetensors import SafetensorError

from crn_hub.classes import ClassSet, LayoutError, read_layout
from crn_hub.info import print_info
from crn_hub.networks.hub_model import HubModel
from crn_hub.pictures import save_picture
from crn_hub.text import one_line
from crn_hub.tf_checkpoint import convert, plan_conversion

app = App(
    name="crn",
    help="Cascaded Refinement Networks: a semantic layout in, a photograph out.",
    default_parameter=Parameter(negative=()),
)


def run(command: App) -> None:
    """Runs a command line. Exit code 0, or one line on stderr and 2 (usage, bad input) or 1 (failure)."""
    if "HF_HUB_VERBOSITY" not in os.environ:
        hub_logging.set_verbosity_error()  # its warnings of every attempt would stand before the one line
    try:
        command(sys.argv[1:], exit_on_error=False, print_error=False)
    except (CycloptsError, ValueError, FileNotFoundError, FileExistsError) as error:
        _end(command, error, 2)
    except (OSError, RuntimeError, SafetensorError, MemoryError) as error:
        _end(command, error, 1)


def _end(command: App, error: Exception, code: int) -> None:
    print(f"{command.name[0]}: {one_line(str(error)) or 'out of memory.'}", file=sys.stderr)
    sys.exit(code)


@app.command
def synthesize(
    model: str,
    layouts: Annotated[list[Path], Parameter(name="LAYOUT", negative=())],
    /,
    *,
    output: Path,
    num_images: int | None = None,
    size: tuple[int, int] | None = None,
    layout_classes: str | None = None,
    snap: bool = False,
) -> None:
    """Make photographs of layouts.

    Example: crn synthesize org/crn-cityscapes street.png --output photographs

    Writes OUTPUT/NAME.png for each layout; models with several images per layout write NAME_1.png, NAME_2.png, ...
    All layouts are read before the first photograph is written.

    Parameters
    ----------
    model
        A folder, a Hub id, or "box" for the model that comes with the package.
    layouts
        Layout files: ids in one channel, a palette PNG or a picture in class colours.
    output
        The folder for the photographs; made if need be.
    num_images
        How many images per layout; all that the model gives by default.
    size
        Height and width of the photographs in pixels; each layout's own size by default.
    layout_classes
        The classes that the layouts are drawn with, where these are not the model's: cityscapes, camvid,
        cityscapes-label-ids (raw ids 0..33) or a classes.json. They are translated by name.
    snap
        Take colours that are no class as the nearest class colour: for layouts that JPEG has been through.
    """
    network = HubModel.from_pretrained(None if model == "box" else model)
    stems = [layout.stem for layout in layouts]
    if repeated := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise LayoutError(f"two layouts would both be written as {repeated[0]}.png; give them one at a time.")
    if output.exists() and not output.is_dir():
        raise LayoutError(f"--output {output}: a file, not a folder.")
    if inside := [layout for layout in layouts if layout.resolve().parent == output.resolve()]:
        raise LayoutError(f"{inside[0]} lies in the output folder and could be written over; choose another --output.")
    readings = [read_layout(layout, network.classes, layout_classes=layout_classes, snap=snap) for layout in layouts]
    for layout, reading in zip(layouts, readings, strict=True):
        for note in reading.notes:
            print(f"{one_line(str(layout))}: {note}", file=sys.stderr)
    for stem, reading in zip(stems, readings, strict=True):
        photographs = network.synthesize(reading.ids, num_images, size)
        for number, photograph in enumerate(photographs, start=1):
            file = output / (f"{stem}.png" if len(photographs) == 1 else f"{stem}_{number}.png")
            save_picture(photograph, file)
            print(file)


@app.command
def convert_tf(
    checkpoint: Annotated[Path, Parameter(name="CHECKPOINT_PREFIX")],
    output: Path,
    /,
    *,
    classes: str | None = None,
) -> None:
    """Turn a checkpoint of the published TensorFlow code into a model folder; TensorFlow is not needed.

    Example: crn convert-tf result_256p/model.ckpt crn-cityscapes-256p

    Every tensor is checked against its name, shape and checksum before OUTPUT is touched. A new folder appears when
    all of it is there.

    Parameters
    ----------
    checkpoint
        The checkpoint without .index or .data-00000-of-00001, one of these files, or the folder with them.
    output
        The folder for the model; it must be new or empty.
    classes
        What the input channels mean: cityscapes, camvid or a classes.json. Networks with 20 channels are taken
        for Cityscapes; for others this is required.
    """
    if output.is_dir() and any(output.iterdir()):
        raise ValueError(f"{output}: the folder is not empty; choose a new one for the model.")
    if output.exists() and not output.is_dir():
        raise ValueError(f"{output}: a file, not a folder; choose a new folder for the model.")
    plan = plan_conversion(checkpoint)
    network = convert(plan, None if classes is None else ClassSet.load(classes))
    if output.is_dir():  # stays the same folder: it may be somebody's working directory
        network.save_pretrained(output)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".converting-") as draft:
            network.save_pretrained(Path(draft) / "model")
            (Path(draft) / "model").rename(output)
    widths = ", ".join(map(str, plan.widths))
    print(
        f"{len(plan.widths)} modules of {widths} channels, {plan.num_parameters:,} parameters, "
        f"{len(network.classes)} classes, images per layout: {plan.num_images}"
    )
    print(output)


@app.command
def train_segmenter(
    *,
    dataset: str,
    output: Path,
    size: tuple[int, int] = (192, 384),
    steps: Annotated[int, Parameter(validator=Number(gte=1))] = 1200,
    image_column: str = "image",
    label_column: str = "label",
    classes: str | None = None,
    seed: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    skip_bad_rows: bool = False,
) -> None:
    """Train a small segmentation network on your photographs, for `crn evaluate --segmenter`; minutes on a CPU.

    Example: crn train-segmenter --dataset org/streets --output segmenter

    It is LR-ASPP on MobileNetV3-Large from scratch: no weights from elsewhere, nothing in common with the network of
    the loss. Its mIoU on held-out rows is printed and kept in OUTPUT/config.json.

    Parameters
    ----------
    dataset
        Hub id or folder of a data set.
    output
        The folder for the network; it must be new or empty.
    size
        Height and width in pixels that it sees pictures at.
    steps
        Optimiser steps of 8 photographs.
    image_column
        Column with the photographs.
    label_column
        Column with the label maps.
    classes
        Preset (cityscapes, camvid) or classes.json; by default the classes.json beside the data.
    seed
        Of weights, order and augmentation.
    skip_bad_rows
        Leave out rows that cannot be used instead of stopping at the first.
    """
    from crn_hub.segmentation.train_segmenter import make_segmenter  # seconds, which the other commands need not wait

    if output.exists() and (not output.is_dir() or any(not p.name.startswith(".") for p in output.iterdir())):
        raise FileExistsError(f"--output {output}: not a new or empty folder; choose another one for the network.")
    scores = make_segmenter(dataset, (image_column, label_column), classes, output, size, steps, seed, skip_bad_rows)
    for name, iou in scores["class_iou"].items():
        print(f"{one_line(name):20} {'-' if iou is None else f'{iou:.3f}'}")
    print(f"mIoU {scores['miou']:.3f}, pixel accuracy {scores['pixel_accuracy']:.3f} on {scores['rows']} held-out rows")
    print(output)


@app.command
def evaluate(
    models: Annotated[list[str], Parameter(name="MODEL", negative=())],
    /,
    *,
    dataset: str,
    output: Path,
    segmenter: str | None = None,
    split: str | None = None,
    size: tuple[int, int] | None = None,
    max_rows: Annotated[int | None, Parameter(validator=Number(gte=2))] = None,
    image_column: str = "image",
    label_column: str = "label",
    classes: str | None = None,
    perceptual_net: str = "vgg16",
    skip_bad_rows: bool = False,
    update_cards: bool = False,
) -> None:
    """Measure how real, how faithful and how diverse the photographs of models are, on the same layouts.

    Example: crn evaluate box crn-camvid --dataset org/streets --segmenter segmenter --output evaluation

    Prints one table, and writes it to OUTPUT as table.md, table.csv and results.json, with contact-sheet.png and .html,
    classes.png and arithmetic.png. What is measured is kept row by row in OUTPUT/measured: the same command goes on
    where it was stopped, and one with further models measures only these.

    Parameters
    ----------
    models
        Folders, Hub ids, or "box" for the model that comes with the package.
    dataset
        Hub id or folder of a data set.
    output
        The folder for the results.
    segmenter
        Network for mIoU and pixel accuracy: of crn train-segmenter, or any checkpoint of the transformers library for
        semantic segmentation. Without one these are left out.
    split
        Rows to measure on; by default those that training holds out.
    size
        Height and width in pixels to compare at; by default those of the largest model.
    max_rows
        Only so many rows, spread evenly.
    image_column
        Column with the photographs.
    label_column
        Column with the label maps.
    classes
        Preset (cityscapes, camvid) or classes.json of the data; by default the classes.json beside it.
    perceptual_net
        Features of the perceptual distance: as in training.
    skip_bad_rows
        Leave out rows that cannot be used instead of stopping at the first.
    update_cards
        Write the results into training.json and the card of the models that are local folders ("box" is none).
    """
    try:
        from crn_hub.metrics import report, sheets
        from crn_hub.metrics.evaluation import evaluate as measure
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise ValueError(f"evaluate needs {package}: pip install 'crn_hub[eval]' brings it.") from error

    evaluation = measure(
        models,
        dataset,
        output,
        split=split,
        columns=(image_column, label_column),
        classes=classes,
        segmenter=segmenter,
        perceptual_net=perceptual_net,
        size=size,
        max_rows=max_rows,
        skip_bad_rows=skip_bad_rows,
    )
    files = [*report.write_report(evaluation, output), *sheets.write_pictures(evaluation, output)]
    report.print_table(evaluation)
    if update_cards:
        files += report.update_cards(evaluation)
    print()
    for file in files:
        print(file)


@app.command
def info(model: str, /) -> None:
    """Show what a model is: classes, size, parameters, arithmetic, training record and licence.

    Example: crn info org/crn-cityscapes

    Parameters
    ----------
    model
        A folder, a Hub id, or "box" for the model that comes with the package.
    """
    name = None if model == "box" else model
    print_info(name, HubModel.from_pretrained(name))


def main() -> None:
    """Entry point of `crn`."""
    run(app)
