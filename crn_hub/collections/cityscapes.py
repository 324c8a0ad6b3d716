"""Cityscapes on a disk, as its archives unpack (Cordts et al., CVPR 2016; cityscapesScripts, README).

    ROOT/leftImg8bit/{train,val,test,train_extra}/CITY/CITY_SEQUENCE_FRAME_leftImg8bit.png
    ROOT/gtFine/{train,val,test}/CITY/CITY_SEQUENCE_FRAME_gtFine_labelIds.png
    ROOT/gtCoarse/{train,val,train_extra}/CITY/CITY_SEQUENCE_FRAME_gtCoarse_labelIds.png

Label maps have raw ids, which become the 19 train ids. The labels of the test split are withheld: its label maps hold
nothing but the car that carries the camera and what lies outside the picture.
"""

from pathlib import Path

from crn_hub.classes import LABEL_IDS, ClassSet
from crn_hub.collections.listing import Frame, Listing, Terms, pictures_in
from crn_hub.data_options import LabelOptions
from crn_hub.text import some

TERMS = Terms(
    "Cityscapes",
    "cityscapes",
    "Cityscapes: Marius Cordts, Mohamed Omran, Sebastian Ramos, Timo Rehfeld, Markus Enzweiler, Rodrigo Benenson, Uwe "
    "Franke, Stefan Roth, Bernt Schiele. The Cityscapes dataset for semantic urban scene understanding. CVPR 2016.",
    may_be_published=False,
    address="https://www.cityscapes-dataset.com/license/",
)
SPLITS = {"train": "train", "train_extra": "train_extra", "val": "validation", "test": "test"}
WITHHELD = "test"


def list_cityscapes(root: Path, coarse: bool = False, with_test: bool = True) -> Listing:
    """
    Args:
        root: the folder with leftImg8bit and gtFine or gtCoarse.
        coarse: take the coarse label maps.
        with_test: keep the photographs of the test split as rows without labels.

    Raises:
        FileNotFoundError: if one of the folders is missing, or there are no photographs.
    """
    kind = "gtCoarse" if coarse else "gtFine"
    for folder in ("leftImg8bit", kind):
        if not (root / folder).is_dir():
            there = sorted(entry.name for entry in root.iterdir()) if root.is_dir() else []
            raise FileNotFoundError(
                f"{root}: no folder {folder}, which the archives of Cityscapes unpack; there is {some(there, 5)}."
            )
    splits: dict[str, list[Frame]] = {}
    missing = []
    for split, name in SPLITS.items():
        if (split == WITHHELD and not with_test) or (not (root / kind / split).is_dir() and split != WITHHELD):
            continue
        for photograph in pictures_in(root / "leftImg8bit" / split, "*/*_leftImg8bit.png"):
            frame = photograph.name.removesuffix("_leftImg8bit.png")
            label = root / kind / split / photograph.parent.name / f"{frame}_{kind}_labelIds.png"
            if split == WITHHELD:
                splits.setdefault(name, []).append(Frame(photograph, None, _columns(photograph, frame)))
            elif label.is_file():
                splits.setdefault(name, []).append(Frame(photograph, label, _columns(photograph, frame)))
            else:
                missing.append(f"{label.relative_to(root)}: no label map of {photograph.relative_to(root)}")
        missing += _without_photograph(root, kind, split)
    if not any(frame.label for frames in splits.values() for frame in frames):
        raise FileNotFoundError(f"{root}: no photograph with a label map in leftImg8bit and {kind}.")
    return Listing(TERMS, ClassSet.cityscapes(), LabelOptions(layout_classes=LABEL_IDS), splits, missing)


def _columns(photograph: Path, frame: str) -> dict[str, str]:
    return {"city": photograph.parent.name, "frame": frame}


def _without_photograph(root: Path, kind: str, split: str) -> list[str]:
    lines = []
    for label in pictures_in(root / kind / split, f"*/*_{kind}_labelIds.png"):
        name = label.name.removesuffix(f"_{kind}_labelIds.png")
        photograph = root / "leftImg8bit" / split / label.parent.name / f"{name}_leftImg8bit.png"
        if not photograph.is_file():
            lines.append(f"{photograph.relative_to(root)}: no photograph of {label.relative_to(root)}")
    return lines
