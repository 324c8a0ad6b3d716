"""Small trees of files in the form in which collections of photographs are published."""

from pathlib import Path

import numpy as np
from PIL import Image

from crn_hub.classes.presets import CITYSCAPES_LABEL_IDS

HEIGHT, WIDTH = 32, 64


def picture(seed: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8))


def label_of(seed: int, values: np.ndarray, size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """Blocks of some of the values."""
    blocks = np.random.default_rng(seed).choice(values, (size[0] // 4, size[1] // 4))
    return blocks.repeat(4, 0).repeat(4, 1).astype(np.uint8)


RAW_IDS = np.arange(34)  # of Cityscapes; those of no class are among them
TO_TRAIN_IDS = np.full(34, 255, np.uint8)
TO_TRAIN_IDS[list(CITYSCAPES_LABEL_IDS)] = range(19)


def cityscapes_tree(root: Path, kind: str = "gtFine") -> dict[str, np.ndarray]:
    """A tree as the archives of Cityscapes unpack; returns the train ids of each frame that has labels."""
    expected = {}
    splits = {"train": {"aachen": 3, "zurich": 2}, "val": {"lindau": 2}, "test": {"bonn": 2}}
    if kind == "gtCoarse":
        splits = {"train": {"aachen": 3}, "train_extra": {"erlangen": 2}, "val": {"lindau": 2}}
    seed = 0
    for split, cities in splits.items():
        for city, count in cities.items():
            for number in range(count):
                seed += 1
                frame = f"{city}_000000_{number:06}"
                photograph = root / "leftImg8bit" / split / city / f"{frame}_leftImg8bit.png"
                photograph.parent.mkdir(parents=True, exist_ok=True)
                picture(seed).save(photograph)
                folder = root / kind / split / city
                folder.mkdir(parents=True, exist_ok=True)
                raw = label_of(seed, RAW_IDS)
                if split == "test":
                    raw = np.full_like(raw, 3)  # out of roi: the labels are withheld
                else:
                    expected[frame] = TO_TRAIN_IDS[raw]
                Image.fromarray(raw).save(folder / f"{frame}_{kind}_labelIds.png")
                Image.fromarray(raw.astype(np.uint16) * 1000).save(folder / f"{frame}_{kind}_instanceIds.png")
                picture(seed).save(folder / f"{frame}_{kind}_color.png")
                (folder / f"{frame}_{kind}_polygons.json").write_text("{}")
    (root / "leftImg8bit" / "train" / "aachen" / ".DS_Store").write_bytes(b"\0")
    (root / "leftImg8bit" / "train" / "aachen" / "._aachen_leftImg8bit.png").write_bytes(b"\0")
    (root / "README").write_text("Cityscapes")
    return expected
