"""Well-known class sets as rows for `ClassSet.from_list`, with their void colours and raw ids.

Cityscapes after cityscapesScripts (helpers/labels.py): classes in the order of the train ids, void colours and raw
label ids. CamVid as SegNet groups it (Badrinarayanan, Kendall and Cipolla). Streets: CamVid's classes, and the windows
and doors that LabelMeFacade tells apart from buildings (Fröhlich, Rodner and Denzler, ICPR 2010). The aliases are this
project's own: the names of a class in other sets.
"""

from pathlib import Path
from typing import Any


def _rows(*classes: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [{"name": name, "color": list(color), "aliases": aliases} for name, color, *aliases in classes]


_CAMVID = _rows(
    ("sky", (128, 128, 128)),
    ("building", (128, 0, 0)),
    ("pole", (192, 192, 128), "column pole"),
    ("road", (128, 64, 128), "lane marking", "road marking"),
    ("pavement", (60, 40, 222), "sidewalk"),
    ("tree", (128, 128, 0), "vegetation"),
    ("sign symbol", (192, 128, 128), "traffic sign", "traffic light"),
    ("fence", (64, 64, 128), "wall"),
    ("car", (64, 0, 128), "truck", "bus"),
    ("pedestrian", (64, 64, 0), "person"),
    ("bicyclist", (0, 128, 192), "rider", "bicycle", "motorcycle"),
)

PRESETS = {
    "cityscapes": _rows(
        ("road", (128, 64, 128)),
        ("sidewalk", (244, 35, 232), "pavement"),
        ("building", (70, 70, 70)),
        ("wall", (102, 102, 156)),
        ("fence", (190, 153, 153)),
        ("pole", (153, 153, 153), "column pole"),
        ("traffic light", (250, 170, 30)),
        ("traffic sign", (220, 220, 0), "sign symbol"),
        ("vegetation", (107, 142, 35), "tree"),
        ("terrain", (152, 251, 152)),
        ("sky", (70, 130, 180)),
        ("person", (220, 20, 60), "pedestrian"),
        ("rider", (255, 0, 0), "bicyclist"),
        ("car", (0, 0, 142)),
        ("truck", (0, 0, 70)),
        ("bus", (0, 60, 100)),
        ("train", (0, 80, 100)),
        ("motorcycle", (0, 0, 230)),
        ("bicycle", (119, 11, 32)),
    ),
    "camvid": _CAMVID,
    "streets": [
        *_CAMVID,
        {"name": "window", "color": [0, 120, 255], "part_of": "building"},
        {"name": "door", "color": [200, 100, 0], "part_of": "building"},
    ],
}

# Sets that are known by name only: with so many colours they would be recognised in pictures of something else. Each
# file states its source.
LISTS = {
    name: Path(__file__).parent / "preset_lists" / f"{name}.csv"
    for name in ("ade20k", "coco-stuff", "mapillary", "nyu40")
}

# Colours of pixels of no class in the official label pictures.
VOID_COLORS = {
    "cityscapes": (
        (0, 0, 0),  # unlabeled, ego vehicle, rectification border, out of roi, static
        (111, 74, 0),  # dynamic
        (81, 0, 81),  # ground
        (250, 170, 160),  # parking
        (230, 150, 140),  # rail track
        (180, 165, 180),  # guard rail
        (150, 100, 100),  # bridge
        (150, 120, 90),  # tunnel
        (0, 0, 90),  # caravan
        (0, 0, 110),  # trailer
    ),
    "camvid": ((0, 0, 0),),
    "streets": ((0, 0, 0),),
}

# Raw label ids of Cityscapes (files *_labelIds.png) in the order of the train ids; all others of 0..33 are void.
CITYSCAPES_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
LAST_CITYSCAPES_LABEL_ID = 33
