"""ADE20K on a disk (Zhou et al., CVPR 2017 and IJCV 2019), in one of two forms.

    Scene parsing (README of CSAILVision/sceneparsing): ids 1 to 150 in the order of the preset, 0 for other objects
        ROOT/images/{training,validation}/FRAME.jpg, ROOT/annotations/{training,validation}/FRAME.png
    In full (README of CSAILVision/ADE20K; in the release of 2016 without the folder ADE): more than 3,000 classes, in
    red and green
        ROOT/images/ADE/{training,validation}/SCENE/FRAME.jpg, and FRAME_seg.png beside it

The full classes become those of scene parsing as its authors convert them (convertFromADE/mapFromADE.txt), and all
others unlabelled. Their numbers are those of 2016; ten that occur in the sample of the release of 2021 are the same.
"""

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from crn_hub.classes import INDICES, UNLABELLED, ClassSet, LayoutError
from crn_hub.collections.listing import Frame, Listing, StoredPicture, Terms, list_same_names, pictures_in
from crn_hub.data_options import LabelOptions
from crn_hub.text import clause

TERMS = Terms(
    "ADE20K",
    "ade20k",  # of its own: the photographs are for non-commercial research
    "ADE20K: Bolei Zhou, Hang Zhao, Xavier Puig, Sanja Fidler, Adela Barriuso, Antonio Torralba. Scene parsing through "
    "ADE20K dataset. CVPR 2017.",
    may_be_published=False,
    address="https://groups.csail.mit.edu/vision/datasets/ADE20K/terms/",
)
SPLITS = {"train": "training", "validation": "validation"}  # ours -> theirs
# The number of each class of scene parsing among the full classes.
FULL_NUMBERS = (
    2978, 312, 2420, 976, 2855, 447, 2131, 165, 3055, 1125, 350, 2377, 1831, 838, 774, 2684, 1610, 1910, 687, 471,
    401, 2994, 1735, 2473, 2329, 1276, 2264, 1564, 2178, 913, 57, 2272, 907, 724, 2138, 2985, 1395, 155, 2053, 689,
    137, 266, 581, 2380, 491, 627, 2212, 2388, 2423, 943, 2096, 1121, 1788, 2530, 2185, 420, 1948, 1869, 2251, 2531,
    2128, 294, 239, 212, 571, 2793, 978, 236, 1240, 181, 629, 2598, 1744, 1374, 591, 2679, 223, 123, 47, 1282,
    327, 2821, 1451, 2880, 2828, 480, 77, 2616, 246, 2733, 14, 738, 38, 1936, 1401, 120, 868, 1702, 249, 308,
    1969, 2526, 2928, 2337, 1023, 609, 389, 2989, 1930, 2668, 2586, 131, 146, 3016, 2739, 95, 1563, 642, 1708, 103,
    1002, 2569, 2704, 2833, 1551, 1981, 29, 187, 1393, 747, 2254, 206, 2262, 1260, 2243, 2932, 2836, 2850, 64, 894,
    1858, 3109, 1919, 1583, 318, 2356, 2046, 1098, 530, 954,
)  # fmt: skip
SECOND_NUMBERS = {"door": 783, "wardrobe": 533, "booth": 247}
LAST_NUMBER = 255 // 10 * 256 + 255  # that red and green can tell


def list_ade20k(root: Path) -> Listing:
    """
    Raises:
        FileNotFoundError: if there is no photograph with a label map.
    """
    if not (root / "annotations").is_dir() and (root / "images").is_dir():
        return _list_full(root)
    pairs = {split: (root / "images" / theirs, root / "annotations" / theirs) for split, theirs in SPLITS.items()}
    options = LabelOptions(layout_classes=INDICES, reduce_labels=True)
    return list_same_names(root, TERMS, pairs, {}, "jpg", ClassSet.load("ade20k"), options)


def _list_full(root: Path) -> Listing:
    images = root / "images" / "ADE" if (root / "images" / "ADE").is_dir() else root / "images"
    splits: dict[str, list[Frame]] = {}
    missing = []
    for split, theirs in SPLITS.items():
        for photograph in pictures_in(images / theirs, "**/*.jpg"):
            file = photograph.with_name(f"{photograph.stem}_seg.png")
            if not file.is_file():
                missing.append(f"{file.relative_to(root)}: no label map of {photograph.relative_to(root)}")
                continue
            label = StoredPicture(file, file.name, file.stat().st_size, partial(read_full, file))
            scene = photograph.parent.relative_to(images / theirs).as_posix()
            splits.setdefault(split, []).append(Frame(photograph, label, {"frame": photograph.stem, "scene": scene}))
        for file in pictures_in(images / theirs, "**/*_seg.png"):
            photograph = file.with_name(f"{file.name.removesuffix('_seg.png')}.jpg")
            if not photograph.is_file():
                missing.append(f"{photograph.relative_to(root)}: no photograph of {file.relative_to(root)}")
    if not splits:
        raise FileNotFoundError(
            f"{root}: neither a folder annotations, as in scene parsing, nor photographs with a label map *_seg.png "
            f"beside them in {images.relative_to(root)}/training or validation, as in the full ADE20K."
        )
    return Listing(TERMS, ClassSet.load("ade20k"), LabelOptions(layout_classes=INDICES), splits, missing)


def read_full(file: Path) -> np.ndarray:
    """A label map of the full ADE20K -> ids of scene parsing, uint8 (H, W).

    The number of a class is red / 10 * 256 + green; blue tells instances apart.

    Raises:
        LayoutError: if it is no such picture.
    """
    try:
        with Image.open(file) as image:
            if image.mode != "RGB":
                raise LayoutError(f"a picture in the mode {image.mode}, not RGB")
            red, green, _ = np.moveaxis(np.asarray(image), 2, 0).astype(np.int32)
    except (OSError, SyntaxError, ValueError) as error:
        raise LayoutError(f"{file}: not readable as a label map of the full ADE20K ({clause(error)}).") from error
    table = np.full(LAST_NUMBER + 1, UNLABELLED, np.uint8)
    table[list(FULL_NUMBERS)] = range(len(FULL_NUMBERS))
    for name, number in SECOND_NUMBERS.items():
        table[number] = ClassSet.load("ade20k").names.index(name)
    return table[red // 10 * 256 + green]
