"""`crn segment`: photographs -> layouts."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from crn_hub.box import BOX
from crn_hub.files import check_folder
from crn_hub.text import some


def segment(
    photographs: Annotated[list[Path], Parameter(name="PHOTO", negative=())],
    /,
    *,
    output: Path,
    segmenter: str = BOX,
    classes: str | None = None,
) -> None:
    """Find the layouts of photographs.

    Example: crn segment street.jpg --output layouts

    Writes OUTPUT/NAME.png for each photograph, of its size: ids, with the class colours as their palette, which crn
    synthesize reads. The network in the box has learned from street photographs by day, from Europe mostly; it is often
    wrong, and at night, in rooms or elsewhere it knows nothing.

    Parameters
    ----------
    photographs
        Files of photographs.
    output
        The folder for the layouts, which is made if it does not exist.
    segmenter
        A folder that crn train-segmenter made, a checkpoint of transformers on the Hub, or "box" for the network that
        comes with the package.
    classes
        The classes of the layouts, a preset or a classes.json, into which the network's are translated; by default its
        own.
    """
    from tqdm import tqdm  # takes seconds, and --help doesn't need it

    from crn_hub.classes import ClassSet
    from crn_hub.pictures import check_photograph, save_picture
    from crn_hub.segmentation.labelling import label_photograph
    from crn_hub.segmentation.segmenters import load_segmenter

    stems = [photograph.stem for photograph in photographs]
    if repeated := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise ValueError(f"two photographs would both be written as {repeated[0]}.png; give them one at a time.")
    check_folder("--output", output)
    if inside := [photograph for photograph in photographs if photograph.resolve().parent == output.resolve()]:
        raise ValueError(f"{inside[0]} is in the output folder and could be overwritten; choose another --output.")
    if folders := [photograph for photograph in photographs if photograph.is_dir()]:
        raise ValueError(f"{folders[0]} is a folder; give the photographs in it, such as {folders[0] / '*.jpg'}.")
    if missing := [str(photograph) for photograph in photographs if not photograph.is_file()]:
        raise FileNotFoundError(f"{some(missing)}: no such file.")
    for photograph in photographs:
        check_photograph(photograph)  # all of them before the first one, which may take a while
    network = load_segmenter(segmenter, None if classes is None else ClassSet.load(classes))
    for photograph in tqdm(photographs, unit="photograph", disable=len(photographs) == 1):
        file = output / f"{photograph.stem}.png"
        save_picture(network.classes.to_image(label_photograph(network, photograph)), file)
        tqdm.write(str(file))
