"""The crn command (also `python -m crn_hub`), and how every command of the project ends."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from safetensors import SafetensorError

from crn_hub.classes import UNLABELLED, LayoutError
from crn_hub.model import CRN
from crn_hub.synthesis import save_picture

app = App(
    name="crn",
    help="Cascaded Refinement Networks: a semantic layout in, a photograph out.",
    default_parameter=Parameter(negative=()),
)


def run(command: App) -> None:
    """Runs a command line. Exit code 0, or one line on stderr and 2 (usage, bad input) or 1 (failure)."""
    try:
        command(sys.argv[1:], exit_on_error=False, print_error=False)
    except (CycloptsError, ValueError, FileNotFoundError, FileExistsError) as error:
        _end(command, error, 2)
    except (OSError, RuntimeError, SafetensorError) as error:
        _end(command, error, 1)


def _end(command: App, error: Exception, code: int) -> None:
    print(f"{command.name[0]}: {' '.join(str(error).split())}", file=sys.stderr)
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
    """
    network = CRN.from_pretrained(None if model == "box" else model)
    stems = [layout.stem for layout in layouts]
    if repeated := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise LayoutError(f"two layouts would both be written as {repeated[0]}.png; give them one at a time.")
    if output.exists() and not output.is_dir():
        raise LayoutError(f"--output {output}: a file, not a folder.")
    if inside := [layout for layout in layouts if layout.resolve().parent == output.resolve()]:
        raise LayoutError(f"{inside[0]} lies in the output folder and could be written over; choose another --output.")
    read = [network.classes.read_layout(layout) for layout in layouts]
    for stem, ids in zip(stems, read, strict=True):
        photographs = network.synthesize(ids, num_images, size)
        for number, photograph in enumerate(photographs, start=1):
            file = output / (f"{stem}.png" if len(photographs) == 1 else f"{stem}_{number}.png")
            save_picture(photograph, file)
            print(file)
        if unlabelled := int((ids == UNLABELLED).sum()):
            print(f"{stem}: {unlabelled / ids.size:.1%} of the layout is unlabelled", file=sys.stderr)


def main() -> None:
    """Entry point of `crn`."""
    run(app)
