"""Class sets: names, colours, ids <-> colours, layout files.

One representation of a layout crosses every boundary of the package: a uint8 array (H, W) of class ids,
0..n-1 for a set of n classes and 255 for unlabelled. Colours exist only at the edges (files and the page).
"""

import json
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

UNLABELLED = 255

Color = tuple[int, int, int]
Layout = str | os.PathLike[str] | Image.Image | np.ndarray

# Layouts larger than this (in pixels) are refused from the header, before anything is decoded.
MAX_LAYOUT_PIXELS = 8192 * 8192


class LayoutError(ValueError):
    """A layout, or a description of classes, that cannot be used; the message is one sentence for people."""


class ClassSet:
    """An ordered set of semantic classes. Ids are positions: the first class has id 0.

    Args:
        names: one name per class, unique without regard to case. "unlabelled" is no class: it is id 255.
        colors: one (red, green, blue) per class, each 0..255, unique.
        aliases: further names per class, for example {"road": ["lane marking"]}; unique over the whole set.

    Raises:
        LayoutError: when names, aliases or colours repeat, a value is out of range or their numbers differ.
    """

    def __init__(
        self,
        names: Sequence[str],
        colors: Sequence[Sequence[int]],
        aliases: dict[str, Sequence[str]] | None = None,
    ):
        self.names: tuple[str, ...] = tuple(names)
        self.colors: tuple[Color, ...] = tuple(_color(color) for color in colors)
        aliases = aliases or {}
        if strings := [name for name, several in aliases.items() if not isinstance(several, list | tuple)]:
            raise LayoutError(f"aliases are a list of names; those of {strings[0]!r} are {aliases[strings[0]]!r}.")
        self.aliases: dict[str, tuple[str, ...]] = {
            name: tuple(aliases[name]) for name in self.names if aliases.get(name)
        }
        if not 1 <= len(self.names) <= UNLABELLED:
            raise LayoutError(f"a class set needs 1 to {UNLABELLED} classes, {len(self.names)} were given.")
        if len(self.names) != len(self.colors):
            raise LayoutError(
                f"a class set needs one colour per class: {len(self.names)} names but {len(self.colors)} colours."
            )
        if unknown := sorted(set(aliases) - set(self.names)):
            raise LayoutError(f"aliases are given for names that are no class: {', '.join(unknown)}.")
        every_name = [*self.names, *(alias for several in self.aliases.values() for alias in several)]
        for name in every_name:
            if not isinstance(name, str) or not name.strip():
                raise LayoutError(f"a class name must be a text that is not empty, not {name!r}.")
            if name.strip().casefold() == "unlabelled":
                raise LayoutError(
                    f'"unlabelled" is no class: leave it out, unlabelled pixels have the id {UNLABELLED}.'
                )
        _refuse_repeats("name", [name.strip().casefold() for name in every_name])
        _refuse_repeats("colour", self.colors)

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClassSet):
            return NotImplemented
        return (self.names, self.colors, self.aliases) == (other.names, other.colors, other.aliases)

    def __hash__(self) -> int:
        return hash((self.names, self.colors))

    def __repr__(self) -> str:
        return f"ClassSet({len(self)}: {', '.join(self.names)})"

    @property
    def unlabelled_color(self) -> Color:
        """The colour that unlabelled pixels have in pictures: black, or where a class is black, the next free one."""
        candidates = ((0, 0, 0), (255, 255, 255), *((level, level, level) for level in range(1, 255)), (255, 0, 255))
        return next(color for color in candidates if color not in self.colors)  # at most 255 of these 257 are taken

    @property
    def palette(self) -> np.ndarray:
        """uint8 (256, 3): the colour of every id; ids outside the set have the unlabelled colour."""
        table = np.empty((256, 3), np.uint8)
        table[:] = self.unlabelled_color
        table[: len(self)] = self.colors
        return table

    # -- where class sets come from ------------------------------------------------------------------

    @classmethod
    def cityscapes(cls) -> "ClassSet":
        """The 19 classes of Cityscapes in the order of its train ids (cityscapesScripts, labels.py)."""
        return cls.from_list(_CITYSCAPES)

    @classmethod
    def camvid(cls) -> "ClassSet":
        """The 11 classes of CamVid as SegNet groups them (Badrinarayanan, Kendall and Cipolla)."""
        return cls.from_list(_CAMVID)

    @classmethod
    def load(cls, name_or_file: str | os.PathLike[str]) -> "ClassSet":
        """A preset by its name ("cityscapes", "camvid") or a classes.json file (see `from_list`).

        Raises:
            LayoutError: if there is neither such a preset nor a readable file.
        """
        if name_or_file in PRESETS:
            return cls.from_list(PRESETS[str(name_or_file)])
        path = Path(name_or_file)
        if path.is_dir():
            raise LayoutError(f"{path}: a folder, not a file with classes.")
        if not path.is_file():
            raise LayoutError(f"{path}: no such file, and no preset of classes either (presets: {', '.join(PRESETS)}).")
        try:
            rows = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise LayoutError(f"{path}: not a readable JSON file ({error}).") from error
        try:
            return cls.from_list(rows)
        except LayoutError as error:
            raise LayoutError(f"{path}: {error}") from error

    @classmethod
    def from_list(cls, rows: Any) -> "ClassSet":
        """From what a classes.json holds: a list of {"id", "name", "color": [r, g, b], "aliases": [...]}.

        "id" may be left out; where it stands it must be the position in the list. "aliases" is optional.
        """
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise LayoutError('classes must be a list of objects with "name" and "color".')
        if nameless := [row for row in rows if not isinstance(row.get("name", ""), str)]:
            raise LayoutError(f"a class name must be a text, not {nameless[0]['name']!r}.")
        for position, row in enumerate(rows):
            if missing := {"name", "color"} - set(row):
                raise LayoutError(f"class {position} lacks {' and '.join(sorted(missing))}.")
            if row.get("id", position) != position:
                raise LayoutError(
                    f"class {row['name']!r} has id {row['id']} but stands at position {position}; "
                    "ids must run from 0 without gaps."
                )
        return cls(
            [row["name"] for row in rows],
            [row["color"] for row in rows],
            {row["name"]: row.get("aliases", []) for row in rows},
        )

    def to_list(self) -> list[dict[str, Any]]:
        """What `from_list` reads; plain JSON."""
        rows: list[dict[str, Any]] = []
        for index, (name, color) in enumerate(zip(self.names, self.colors, strict=True)):
            row: dict[str, Any] = {"id": index, "name": name, "color": list(color)}
            if name in self.aliases:
                row["aliases"] = list(self.aliases[name])
            rows.append(row)
        return rows

    # -- ids <-> colours -----------------------------------------------------------------------------

    def check_ids(self, ids: np.ndarray, source: str = "layout") -> np.ndarray:
        """Returns `ids` (H, W, any integer type) as uint8, or refuses them.

        Raises:
            LayoutError: naming `source`, the values outside 0..n-1 and 255, and how many pixels have them.
        """
        ids = np.asarray(ids)
        if ids.ndim != 2 or ids.size == 0:
            raise LayoutError(f"{source}: a layout of class ids has the shape (height, width), not {ids.shape}.")
        if ids.dtype == bool or not np.issubdtype(ids.dtype, np.integer):
            raise LayoutError(f"{source}: class ids must be integers, not {ids.dtype}.")
        outside = (ids < 0) | ((ids >= len(self)) & (ids != UNLABELLED))
        if outside.any():
            values, counts = np.unique(ids[outside], return_counts=True)
            order = np.argsort(-counts)
            seen = ", ".join(f"{values[i]} ({_pixels(counts[i])})" for i in order[:5])
            more = f" and {len(values) - 5} more values" if len(values) > 5 else ""
            last = len(self) - 1
            raise LayoutError(
                f"{source}: id {seen}{more}: outside this set of {len(self)} classes; "
                f"ids are 0 ({self.names[0]}) to {last} ({self.names[last]}), and {UNLABELLED} for unlabelled."
            )
        return ids.astype(np.uint8)

    def to_colors(self, ids: np.ndarray) -> np.ndarray:
        """Ids (H, W) -> uint8 (H, W, 3) in class colours, unlabelled in `unlabelled_color`."""
        return self.palette[self.check_ids(ids)]

    def from_colors(self, colors: np.ndarray, source: str = "layout") -> np.ndarray:
        """uint8 (H, W, 3) in class colours -> ids uint8 (H, W). Exact: no colour is snapped to another.

        Raises:
            LayoutError: naming `source`, each unknown colour, its pixel count and the nearest class.
        """
        colors = np.asarray(colors)
        if colors.ndim != 3 or colors.shape[2] != 3 or colors.dtype != np.uint8 or colors.size == 0:
            raise LayoutError(
                f"{source}: a layout in colours is uint8 (height, width, 3), not {colors.dtype} {colors.shape}."
            )
        # One table look-up over the colours that are there, not over 16 million possible ones.
        packed, index, counts = np.unique(_pack(colors), return_inverse=True, return_counts=True)
        known = {int(_pack(np.array(c))): i for i, c in enumerate(self.colors)}
        known[int(_pack(np.array(self.unlabelled_color)))] = UNLABELLED
        found = np.array([known.get(int(value), -1) for value in packed])
        if (found < 0).any():
            unknown = sorted(np.flatnonzero(found < 0), key=lambda i: -counts[i])
            seen = ", ".join(
                f"{_unpack(packed[i])} ({_pixels(counts[i])}, nearest {self.nearest(_unpack(packed[i]))})"
                for i in unknown[:5]
            )
            more = f" and {len(unknown) - 5} more colours" if len(unknown) > 5 else ""
            raise LayoutError(f"{source}: no class has the colour {seen}{more}.")
        return found.astype(np.uint8)[index].reshape(colors.shape[:2])

    def nearest(self, color: Color) -> str:
        """The class whose colour is nearest (Euclidean in RGB), as "name (r, g, b)"."""
        distance = ((np.array(self.colors) - np.array(color)) ** 2).sum(axis=1)
        index = int(distance.argmin())
        return f"{self.names[index]} {self.colors[index]}"

    def to_image(self, ids: np.ndarray) -> Image.Image:
        """Ids (H, W) -> a palette image: its indices are the ids, its colours the class colours."""
        image = Image.fromarray(self.check_ids(ids), mode="L")
        image.putpalette(self.palette.tobytes())
        return image

    # -- layout files --------------------------------------------------------------------------------

    def read_layout(self, layout: Layout, source: str = "layout") -> np.ndarray:
        """A path, PIL image or array -> ids uint8 (H, W). Messages call an image or array `source`.

        One channel means ids. A palette image is read by its palette's colours; its indices count only if the
        palette holds none of the class colours. Three channels (or four: alpha is dropped) are class colours.

        Raises:
            LayoutError: for what is not a layout of this set, in one sentence with the file's name.
        """
        if isinstance(layout, np.ndarray):
            return self.from_colors(layout, source) if layout.ndim == 3 else self.check_ids(layout, source)
        if isinstance(layout, Image.Image):
            return self._read_image(layout, source)
        if not isinstance(layout, str | os.PathLike):
            raise LayoutError(f"a layout is a path, a PIL image or a NumPy array, not {type(layout).__name__}.")
        path = Path(layout)
        if not path.is_file():
            raise LayoutError(f"{path}: {'a folder, not a layout file' if path.is_dir() else 'no such file'}.")
        try:
            with warnings.catch_warnings():
                # Pillow's own, larger limit only warns; ours refuses.
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                with Image.open(path) as image:
                    return self._read_image(image, str(path))
        except LayoutError:
            raise
        except (OSError, SyntaxError, Image.DecompressionBombError, ValueError) as error:
            raise LayoutError(f"{path}: not a readable picture ({error}).") from error

    def in_palette(self, image: Image.Image) -> bool:
        """Whether the palette of an image of mode "P" holds a class colour: then its indices are no ids."""
        palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        return not {tuple(color) for color in palette.tolist()}.isdisjoint(self.colors)

    def _read_image(self, image: Image.Image, source: str) -> np.ndarray:
        if image.width * image.height > MAX_LAYOUT_PIXELS:
            raise LayoutError(
                f"{source}: {image.width} x {image.height} pixels are more than the {MAX_LAYOUT_PIXELS:,} allowed."
            )
        try:
            image = ImageOps.exif_transpose(image)
        except (OSError, SyntaxError) as error:  # pixels are decoded only here
            raise LayoutError(f"{source}: not a readable picture ({error}).") from error
        if image.mode == "P":
            if not self.in_palette(image):
                return self.check_ids(np.array(image), source)
            return self.from_colors(np.array(image.convert("RGB")), source)
        if image.mode in ("L", "I", "I;16", "I;16B", "I;16L"):
            return self.check_ids(np.array(image), source)
        if image.mode in ("RGB", "RGBA"):
            return self.from_colors(np.array(image.convert("RGB")), source)
        raise LayoutError(
            f"{source}: a picture of mode {image.mode} is no layout; "
            "right are ids in one channel, a palette PNG or a picture in class colours."
        )


def _color(color: Iterable[int]) -> Color:
    values = tuple(color) if isinstance(color, Iterable) else (color,)
    if len(values) != 3 or not all(
        isinstance(v, int | np.integer) and not isinstance(v, bool) and 0 <= v <= 255 for v in values
    ):
        raise LayoutError(f"a colour is three whole numbers 0..255, not {color!r}.")
    return int(values[0]), int(values[1]), int(values[2])


def _refuse_repeats(what: str, values: Sequence[Any]) -> None:
    if repeated := sorted({value for value in values if values.count(value) > 1}):
        raise LayoutError(f"a {what} may stand only once in a class set; repeated: {repeated}.")


def _pack(colors: np.ndarray) -> np.ndarray:
    wide = colors.astype(np.uint32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def _unpack(value: int) -> Color:
    return int(value) >> 16 & 255, int(value) >> 8 & 255, int(value) & 255


def _pixels(count: int) -> str:
    return f"{count} pixel{'' if count == 1 else 's'}"


def _preset(*rows: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [{"name": name, "color": list(color), "aliases": aliases} for name, color, *aliases in rows]


_CITYSCAPES = _preset(
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
)

_CAMVID = _preset(
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

PRESETS = {"cityscapes": _CITYSCAPES, "camvid": _CAMVID}
