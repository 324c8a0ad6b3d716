"""The crn command (also `python -m crn_hub`), and how every command of the project ends."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from huggingface_hub.utils import logging as hub_logging
from safetensors import SafetensorError

from crn_hub.classes import ClassSet, LayoutError, read_layout
from crn_hub.info import print_info
from crn_hub.model import CRN
from crn_hub.synthesis import save_picture
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
    network = CRN.from_pretrained(None if model == "box" else model)
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
def info(model: str, /) -> None:
    """Show what a model is: classes, size, parameters, arithmetic, training record and licence.

    Example: crn info org/crn-cityscapes

    Parameters
    ----------
    model
        A folder, a Hub id, or "box" for the model that comes with the package.
    """
    name = None if model == "box" else model
    print_info(name, CRN.from_pretrained(name))


def main() -> None:
    """Entry point of `crn`."""
    run(app)
