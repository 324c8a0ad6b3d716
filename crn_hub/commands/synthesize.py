"""`crn synthesize`: layout files -> photographs."""

import re
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from crn_hub.files import check_folder
from crn_hub.memory import keep_freed_memory
from crn_hub.text import one_line


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
    style: str | None = None,
    seed: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
) -> None:
    """Make photographs of layouts.

    Example: crn synthesize org/crn-cityscapes street.png --output photographs

    Writes OUTPUT/NAME.png for each layout, or NAME_1.png, NAME_2.png, ... if the model makes several images of one.
    All layouts are read before the first photograph is written.

    Parameters
    ----------
    model
        A folder, a Hub id, or "box" for the model that comes with the package.
    layouts
        Layout files: ids in one channel, a palette PNG, or a picture in class colours.
    output
        The folder for the photographs, which is made if it does not exist.
    num_images
        How many images per layout; by default all that the model makes.
    size
        Height and width of the photographs in pixels; by default the size of each layout.
    layout_classes
        The classes that the layouts are drawn in, if they are not the model's: cityscapes, camvid, streets,
        cityscapes-label-ids (raw ids 0..33) or a classes.json. They are translated by name.
    snap
        Read colours of no class as the nearest class colour, for layouts that have been saved as JPEG.
    style
        One of the model's styles, the light and the colours, by name or number; crn info lists them. By default the
        first.
    seed
        Of details, and of the colours that a style gives to regions.
    """
    keep_freed_memory()
    from crn_hub.classes import LayoutError, read_layout  # takes seconds, and --help doesn't need it
    from crn_hub.networks.hub_model import HubModel
    from crn_hub.pictures import save_picture

    network = HubModel.from_pretrained(model)
    # No name of a style is a number.
    chosen = int(style) if style is not None and re.fullmatch("[0-9]{1,4}", style) else style
    network.check_choice(chosen, seed)
    stems = [layout.stem for layout in layouts]
    if repeated := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise LayoutError(f"two layouts would both be written as {repeated[0]}.png; give them one at a time.")
    check_folder("--output", output)
    if inside := [layout for layout in layouts if layout.resolve().parent == output.resolve()]:
        raise LayoutError(f"{inside[0]} is in the output folder and could be overwritten; choose another --output.")
    readings = [read_layout(layout, network.classes, layout_classes=layout_classes, snap=snap) for layout in layouts]
    for layout, reading in zip(layouts, readings, strict=True):
        for note in reading.notes:
            print(f"{one_line(str(layout))}: {note}", file=sys.stderr)
    for stem, reading in zip(stems, readings, strict=True):
        photographs = network.synthesize(reading.ids, num_images, size, style=chosen, seed=seed)
        for number, photograph in enumerate(photographs, start=1):
            file = output / (f"{stem}.png" if len(photographs) == 1 else f"{stem}_{number}.png")
            save_picture(photograph, file)
            print(file)
