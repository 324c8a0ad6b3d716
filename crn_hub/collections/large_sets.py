"""COCO-Stuff and Mapillary Vistas, whose presets are lists (`classes.presets.LISTS`).

    COCO-Stuff, 164k pixel maps (Caesar, Uijlings and Ferrari, CVPR 2018; README of nightrome/cocostuff): numbers of
    labels.txt less 1, with holes
        ROOT/images/{train2017,val2017}/FRAME.jpg, ROOT/annotations/{train2017,val2017}/FRAME.png
        (or stuffthingmaps, as their archive is called)
    Mapillary Vistas 1.2 (Neuhold et al., ICCV 2017): ids 0 to 64, 65 for nothing, in a palette
        ROOT/{training,validation,testing}/images/FRAME.jpg, ROOT/{training,validation}/v1.2/labels/FRAME.png
        (in the archive of version 1.1 without the folder v1.2; NVIDIA/semantic-segmentation, PREPARE_DATASETS.md)

Mapillary's folder v1.2 and both licences are stated from memory.
"""

from pathlib import Path

from crn_hub.classes import INDICES, UNLABELLED, ClassSet, LabelCodes
from crn_hub.collections.listing import Listing, Terms, list_same_names
from crn_hub.data_options import LabelOptions

COCO_STUFF = Terms(
    "COCO-Stuff",
    "coco-stuff",  # of its own: the annotations are CC BY 4.0, the photographs under the terms of Flickr
    "COCO-Stuff: Holger Caesar, Jasper Uijlings, Vittorio Ferrari. COCO-Stuff: Thing and stuff classes in context. "
    "CVPR 2018.",
    address="https://github.com/nightrome/cocostuff",
)
MAPILLARY = Terms(
    "Mapillary Vistas",
    "mapillary-vistas",
    "Mapillary Vistas: Gerhard Neuhold, Tobias Ollmann, Samuel Rota Bulò, Peter Kontschieder. The Mapillary Vistas "
    "dataset for semantic understanding of street scenes. ICCV 2017.",
    may_be_published=False,
    address="https://www.mapillary.com/dataset/vistas",
)
# Numbers of COCO's things, 1 to 90, that no label map has; stuffs are 92 to 182 (labels.txt of COCO-Stuff).
COCO_HOLES = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
COCO_NUMBERS = [number for number in (*range(1, 91), *range(92, 183)) if number not in COCO_HOLES]
NOTHING_IN_MAPILLARY = 65


def list_coco_stuff(root: Path) -> Listing:
    """
    Raises:
        FileNotFoundError: if there is no photograph with a label map.
    """
    labels = root / ("stuffthingmaps" if (root / "stuffthingmaps").is_dir() else "annotations")
    pairs = {
        split: (root / "images" / folder, labels / folder)
        for split, folder in (("train", "train2017"), ("validation", "val2017"))
    }
    return list_same_names(root, COCO_STUFF, pairs, {}, "jpg", coco_stuff_classes(), LabelOptions())


def coco_stuff_classes() -> ClassSet:
    """The classes of COCO-Stuff, with the numbers of its pixel maps as codes."""
    classes = ClassSet.load("coco-stuff")
    codes = {number - 1: index for index, number in enumerate(COCO_NUMBERS)} | {UNLABELLED: UNLABELLED}
    return ClassSet(classes.names, classes.colors, dict(classes.aliases), classes.part_of, LabelCodes(codes))


def list_mapillary(root: Path, with_test: bool = True) -> Listing:
    """
    Args:
        root: the folder with training, validation and testing.
        with_test: keep the photographs of the test split as rows without labels.

    Raises:
        FileNotFoundError: if there is no photograph with a label map.
    """
    version = "v1.2" if (root / "training" / "v1.2").is_dir() or (root / "validation" / "v1.2").is_dir() else "."
    pairs = {
        split: (root / folder / "images", root / folder / version / "labels")
        for split, folder in (("train", "training"), ("validation", "validation"))
    }
    withheld = {"test": root / "testing" / "images"} if with_test else {}
    options = LabelOptions(layout_classes=INDICES, ignore_label=(NOTHING_IN_MAPILLARY,))
    return list_same_names(root, MAPILLARY, pairs, withheld, "jpg", ClassSet.load("mapillary"), options)
