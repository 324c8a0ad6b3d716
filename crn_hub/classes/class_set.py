"""`ClassSet`: names and colours of semantic classes, ids <-> colours, translation from set to set.

One representation of a layout crosses every boundary of the package: a uint8 array (H, W) of class ids,
0..n-1 for a set of n classes and 255 for unlabelled. Colours exist only at the edges (files and the page).
"""

import os
import reprlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from crn_hub.classes.class_files import read_class_rows
from crn_hub.classes.presets import LISTS, PRESETS, VOID_COLORS
from crn_hub.text import clause, some

UNLABELLED = 255

Color = tuple[int, int, int]


class LayoutError(ValueError):
    """A layout, or a description of classes, that cannot be used; its message is one sentence for people to read."""


@dataclass(frozen=True)
class LabelCodes:
    """What label files hold in place of ids and class colours, such as CamVid's 32 colours for 11 classes.

    Attributes:
        ids: number in files -> id, or 255; then no other numbers are known. None where numbers are ids.
        colors: colour in files -> id, or 255; beside the class colours.
    """

    ids: Mapping[int, int] | None = None
    colors: Mapping[Color, int] = field(default_factory=dict)


class ClassSet:
    """An ordered set of semantic classes. Ids are positions: the first class has id 0.

    Args:
        names: one name per class, unique regardless of case. "unlabelled" is not a class: it is id 255.
        colors: one (red, green, blue) per class, each 0..255, unique.
        aliases: further names per class, for example {"road": ["lane marking"]}; unique over the whole set.
        part_of: for classes that are parts of another one the name of the whole, for example {"window": "building"}.
            Sets that don't know the part have the whole in its place (`translation_to`).
        codes: what label files hold in place of ids and class colours. It belongs to the files rather than the
            classes: two sets may be equal with different codes, and models don't keep them (`without_codes`).

    Raises:
        LayoutError: if a name, alias or colour repeats, a value is out of range, there is not one colour per name, or
            a whole is no class or a part of itself.
    """

    def __init__(
        self,
        names: Sequence[str],
        colors: Sequence[Sequence[int]],
        aliases: dict[str, Sequence[str]] | None = None,
        part_of: dict[str, str] | None = None,
        codes: LabelCodes = LabelCodes(),
    ):
        self.names: tuple[str, ...] = tuple(names)
        self.colors: tuple[Color, ...] = tuple(_color(color, position) for position, color in enumerate(colors))
        if not 1 <= len(self.names) <= UNLABELLED:
            raise LayoutError(f"a class set needs 1 to {UNLABELLED} classes, {len(self.names)} were given.")
        if len(self.names) != len(self.colors):
            raise LayoutError(
                f"a class set needs one colour per class: {len(self.names)} names but {len(self.colors)} colours."
            )
        if unknown := [name for name in aliases or {} if name not in self.names]:
            raise LayoutError(f"aliases are given for names that are not classes: {some(map(repr, unknown))}.")
        self.aliases: dict[str, tuple[str, ...]] = {}
        for name, several in (aliases or {}).items():
            if not isinstance(several, list | tuple):
                raise LayoutError(f"the aliases of {name!r} must be a list of names, not {reprlib.repr(several)}.")
            if several:
                self.aliases[name] = tuple(several)
        every_name = [*self.names, *(alias for several in self.aliases.values() for alias in several)]
        for name in every_name:
            if not isinstance(name, str) or not name.strip():
                raise LayoutError(f"a class name must be a text that is not empty, not {reprlib.repr(name)}.")
            if any(unicodedata.category(character) == "Cc" for character in name):
                raise LayoutError(f"a class name must be a text without control characters, not {reprlib.repr(name)}.")
            if _is_unlabelled(name):
                raise LayoutError(
                    f'"unlabelled" is not a class: leave it out; unlabelled pixels have the id {UNLABELLED}.'
                )
        _refuse_repeats("name", [name.strip().casefold() for name in every_name])
        _refuse_repeats("colour", self.colors)
        self.part_of: dict[str, str] = self._checked_parts(part_of or {})
        self.codes = codes

    def _checked_parts(self, part_of: dict[str, str]) -> dict[str, str]:
        if not isinstance(part_of, dict):
            raise LayoutError(f"part_of must give names of wholes by names of parts, not {reprlib.repr(part_of)}.")
        for part, whole in part_of.items():
            if part not in self.names:
                raise LayoutError(f"{reprlib.repr(part)} is said to be part of another class, but is no class itself.")
            if whole not in self.names:
                raise LayoutError(
                    f"{part!r} is said to be part of {reprlib.repr(whole)}, which is no class of this set."
                )
        for part in part_of:
            above = [part]
            while above[-1] in part_of:
                above.append(part_of[above[-1]])
                if above[-1] in above[:-1]:
                    raise LayoutError(f"a class cannot be part of itself: {' is part of '.join(map(repr, above))}.")
        return dict(part_of)

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClassSet):
            return NotImplemented
        mine, theirs = ((s.names, s.colors, s.aliases, s.part_of) for s in (self, other))
        return mine == theirs

    def __hash__(self) -> int:
        return hash((self.names, self.colors))

    def __repr__(self) -> str:
        return f"ClassSet({len(self)}: {', '.join(self.names)})"

    def with_ids_from_one(self) -> "ClassSet":
        """The same classes, in whose label files ids begin at 1, and 0 means unlabelled."""
        ids = {0: UNLABELLED, **{index + 1: index for index in range(len(self))}}
        return ClassSet(self.names, self.colors, dict(self.aliases), self.part_of, LabelCodes(ids, self.codes.colors))

    def without_codes(self) -> "ClassSet":
        """The same classes, whose label files hold ids and class colours."""
        return ClassSet(self.names, self.colors, dict(self.aliases), self.part_of)

    @property
    def unlabelled_color(self) -> Color:
        """The colour of unlabelled pixels in pictures: black, or if a class is black, the next free colour."""
        candidates = ((0, 0, 0), (255, 255, 255), *((level, level, level) for level in range(1, 255)), (255, 0, 255))
        return next(color for color in candidates if color not in self.colors)  # at most 255 of these 257 are taken

    @property
    def palette(self) -> np.ndarray:
        """uint8 (256, 3): the colour of every id; ids outside the set have the unlabelled colour."""
        table = np.empty((256, 3), np.uint8)
        table[:] = self.unlabelled_color
        table[: len(self)] = self.colors
        return table

    # -- presets, files and lists --------------------------------------------------------------------

    @classmethod
    def cityscapes(cls) -> "ClassSet":
        """The 19 classes of Cityscapes in the order of its train ids (cityscapesScripts, labels.py)."""
        return cls.from_list(PRESETS["cityscapes"])

    @classmethod
    def camvid(cls) -> "ClassSet":
        """The 11 classes of CamVid as SegNet groups them (Badrinarayanan, Kendall and Cipolla)."""
        return cls.from_list(PRESETS["camvid"])

    @classmethod
    def streets(cls) -> "ClassSet":
        """CamVid's 11 classes in their order, then window and door, which are parts of buildings."""
        return cls.from_list(PRESETS["streets"])

    @classmethod
    def load(cls, name_or_file: str | os.PathLike[str]) -> "ClassSet":
        """A preset by its name (`PRESETS`, `LISTS`), or a file.

        A file is a classes.json (see `from_list`), CVAT's labelmap.txt, or a CSV with name, r, g and b (see
        `class_files`). It may also say what label files hold: "label_ids", a list of the numbers, and "label_colors",
        a list of further colours, for each class. An entry "unlabelled" is no class: it tells what means unlabelled.
        Without "label_ids" the numbers in label files are the positions in the list, "unlabelled" included.

        A file with a preset's names and colours that says of no class what it is part of has the preset's parts.

        Raises:
            LayoutError: if there is neither such a preset nor a readable file.
        """
        if name_or_file in PRESETS:
            return cls.from_list(PRESETS[str(name_or_file)])
        path = Path(name_or_file)
        if name_or_file in LISTS:
            return _load_list(str(name_or_file))
        if os.path.isdir(path):
            raise LayoutError(f"{path}: a folder, not a file with classes.")
        if not os.path.isfile(path):
            raise LayoutError(
                f"{path}: no such file, and no preset of classes either (presets: {', '.join([*PRESETS, *LISTS])})."
            )
        try:
            rows = read_class_rows(path)
        except (ValueError, OSError) as error:
            raise LayoutError(f"{path}: {clause(error)}.") from error
        try:
            classes = cls._from_file(rows)
        except LayoutError as error:
            raise LayoutError(f"{path}: {error}") from error
        if not any("part_of" in row for row in rows):
            for preset in map(cls.from_list, PRESETS.values()):
                if (preset.names, preset.colors) == (classes.names, classes.colors):
                    return cls(classes.names, classes.colors, dict(classes.aliases), preset.part_of, classes.codes)
        return classes

    @classmethod
    def _from_file(cls, rows: Any) -> "ClassSet":
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return cls.from_list(rows)  # which says what is wrong
        is_void = [str(row.get("name")).strip().casefold() in ("unlabelled", "unlabeled") for row in rows]
        for row in rows:
            if unknown := [key for key in row if key.startswith("label") and key not in ("label_ids", "label_colors")]:
                raise LayoutError(
                    f"{reprlib.repr(unknown[0])} is no key of a class; there are label_ids and label_colors."
                )
        for position, row in enumerate(rows):
            _check_position(row, position)
        kept = [
            {key: value for key, value in row.items() if key != "id"}
            for row, void in zip(rows, is_void, strict=True)
            if not void
        ]
        classes = cls.from_list(kept)
        ids = [UNLABELLED if void else position - sum(is_void[:position]) for position, void in enumerate(is_void)]
        classes.codes = _read_codes(rows, ids, classes)
        return classes

    @classmethod
    def from_list(cls, rows: Any) -> "ClassSet":
        """From the contents of a classes.json: a list of {"id", "name", "color": [r, g, b], "aliases", "part_of"}.

        "id", "aliases" (a list of names) and "part_of" (the name of another class, or null) are optional; an id must be
        the position in the list.
        """
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise LayoutError('classes must be a list of objects with "name" and "color".')
        if nameless := [row for row in rows if not isinstance(row.get("name", ""), str)]:
            raise LayoutError(f"a class name must be a text, not {reprlib.repr(nameless[0]['name'])}.")
        for position, row in enumerate(rows):
            if missing := {"name", "color"} - set(row):
                raise LayoutError(f"class {position} lacks {' and '.join(sorted(missing))}.")
            _check_position(row, position)
        return cls(
            [row["name"] for row in rows],
            [row["color"] for row in rows],
            {row["name"]: row.get("aliases", []) for row in rows},
            {row["name"]: row["part_of"] for row in rows if row.get("part_of") is not None},
        )

    def to_list(self) -> list[dict[str, Any]]:
        """The list that `from_list` reads; plain JSON."""
        rows: list[dict[str, Any]] = []
        for index, (name, color) in enumerate(zip(self.names, self.colors, strict=True)):
            row: dict[str, Any] = {"id": index, "name": name, "color": list(color)}
            if name in self.aliases:
                row["aliases"] = list(self.aliases[name])
            if name in self.part_of:
                row["part_of"] = self.part_of[name]
            rows.append(row)
        return rows

    # -- ids <-> colours -----------------------------------------------------------------------------

    def check_ids(self, ids: np.ndarray, source: str = "layout") -> np.ndarray:
        """Returns `ids` (H, W, any integer type) as uint8, or refuses them.

        Raises:
            LayoutError: naming `source`, the values outside 0..n-1 and 255, and how many pixels have them.
        """
        ids = check_integers(ids, source)
        outside = (ids < 0) | ((ids >= len(self)) & (ids != UNLABELLED))
        if outside.any():
            last = len(self) - 1
            raise LayoutError(
                f"{source}: id {_values_seen(ids[outside])}: outside this set of {len(self)} classes; "
                f"ids are 0 ({self.names[0]}) to {last} ({self.names[last]}), and {UNLABELLED} for unlabelled."
            )
        return ids.astype(np.uint8)

    def find_ids(self, numbers: np.ndarray, source: str) -> np.ndarray:
        """Numbers in a label file (H, W) -> ids uint8 (H, W), as `codes` says.

        Args:
            numbers: whole numbers of any integer type.
            source: what messages call the file.

        Raises:
            LayoutError: as `check_ids`, or naming numbers that `codes` lacks.
        """
        if self.codes.ids is None:
            return self.check_ids(numbers, source)
        void = (numbers == UNLABELLED) & (UNLABELLED not in self.codes.ids)
        known, ids = (np.array(list(part)) for part in (self.codes.ids, self.codes.ids.values()))
        if (outside := ~void & ~np.isin(numbers, known)).any():
            raise LayoutError(
                f"{source}: id {_values_seen(numbers[outside])}: of no class; known are "
                f"{', '.join(map(str, sorted(known.tolist())))}, and {UNLABELLED} for unlabelled."
            )
        order = np.argsort(known)
        place = np.minimum(np.searchsorted(known[order], numbers), len(known) - 1)
        return np.where(void, UNLABELLED, ids[order][place]).astype(np.uint8)

    def to_colors(self, ids: np.ndarray) -> np.ndarray:
        """Ids (H, W) -> uint8 (H, W, 3) in class colours, unlabelled in `unlabelled_color`."""
        return self.palette[self.check_ids(ids)]

    @property
    def void_colors(self) -> tuple[Color, ...]:
        """The colours that mean unlabelled in pictures: `unlabelled_color`, and, if this set has the colours of a
        preset, the official colours of the preset for pixels of no class."""
        presets = [name for name, rows in PRESETS.items() if {tuple(r["color"]) for r in rows} <= set(self.colors)]
        official = [color for name in presets for color in VOID_COLORS[name] if color not in self.colors]
        return tuple(dict.fromkeys([self.unlabelled_color, *official]))

    @property
    def known_colors(self) -> list[tuple[int, Color]]:
        """Each colour that means a class or unlabelled in pictures, after its id."""
        voids = ((UNLABELLED, color) for color in self.void_colors if color not in self.codes.colors)
        return [*enumerate(self.colors), *voids, *((index, color) for color, index in self.codes.colors.items())]

    def find_colors(self, colors: np.ndarray) -> np.ndarray:
        """uint8 (..., 3) -> int16 (...): the id of the class of exactly this colour; 255 for void, -1 for none."""
        packed = pack(colors)
        found = np.full(packed.shape, -1, np.int16)
        for index, color in self.known_colors:
            found[packed == pack(np.array(color))] = index
        return found

    def nearest_colors(self, colors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """uint8 (N, 3) -> ids uint8 (N,) of the nearest colours, void ones included, and distances float (N,) in RGB.

        Distances are Euclidean, 0..442.
        """
        best = np.full(len(colors), np.inf)
        ids = np.empty(len(colors), np.uint8)
        wide = colors.astype(np.int32)
        for index, color in self.known_colors:
            distance = ((wide - color) ** 2).sum(axis=1)
            ids[distance < best] = index
            best = np.minimum(best, distance)
        return ids, np.sqrt(best)

    def translation_to(self, other: "ClassSet") -> np.ndarray:
        """uint8 (256,): for each id of this set the id in `other`; 255 where it has none.

        It is that of the same class, by `matches_in`, or if `other` lacks it, that of the class that it is part of.
        """
        matches = self.matches_in(other)
        return matches[self.nearest_wholes(matches[: len(self)] != UNLABELLED)]

    def matches_in(self, other: "ClassSet") -> np.ndarray:
        """uint8 (256,): for each id of this set the id in `other` of the same class; 255 where it has none.

        Classes are the same by names and aliases. Names take precedence over aliases; case is ignored.
        """
        table = np.full(256, UNLABELLED, np.uint8)
        for index, name in enumerate(self.names):
            table[index] = other.find_name(name, *self.aliases.get(name, ()))
        return table

    def nearest_wholes(self, known: Sequence[bool] | np.ndarray) -> np.ndarray:
        """uint8 (256,): for each id itself if it is `known` (n,), else the nearest known whole; 255 if none."""
        table = np.full(256, UNLABELLED, np.uint8)
        for index, name in enumerate(self.names):
            while not known[self.names.index(name)] and name in self.part_of:
                name = self.part_of[name]
            if known[place := self.names.index(name)]:
                table[index] = place
        return table

    def find_name(self, *names: str) -> int:
        """The id of the class with one of these names, the first that any class has; 255 if no class has any of them.

        Names take precedence over aliases; case is ignored.
        """
        known = {alias.casefold(): name for name, several in self.aliases.items() for alias in several}
        known |= {name.casefold(): name for name in self.names}
        match = next((known[name.casefold()] for name in names if name.casefold() in known), None)
        return UNLABELLED if match is None else self.names.index(match)

    def to_image(self, ids: np.ndarray) -> Image.Image:
        """Ids (H, W) -> a palette image: its indices are the ids, its colours the class colours."""
        image = Image.fromarray(self.check_ids(ids), mode="L")
        image.putpalette(self.palette.tobytes())
        return image


@cache
def _load_list(name: str) -> ClassSet:
    return ClassSet._from_file(read_class_rows(LISTS[name]))


def check_integers(ids: np.ndarray, source: str) -> np.ndarray:
    """Raises a `LayoutError` unless `ids` is a map (H, W) of whole numbers; their range is not checked."""
    ids = np.asarray(ids)
    if ids.ndim != 2 or ids.size == 0:
        raise LayoutError(f"{source}: a layout of class ids has the shape (height, width), not {ids.shape}.")
    if ids.dtype == bool or not np.issubdtype(ids.dtype, np.integer):
        raise LayoutError(f"{source}: class ids must be integers, not {ids.dtype}.")
    return ids


def _values_seen(values: np.ndarray) -> str:
    """The most frequent values and how many pixels have them."""
    distinct, counts = np.unique(values, return_counts=True)
    seen = ", ".join(f"{distinct[i]} ({in_pixels(counts[i])})" for i in np.argsort(-counts)[:5])
    return seen + (f" and {len(distinct) - 5} more values" if len(distinct) > 5 else "")


def pack(colors: np.ndarray) -> np.ndarray:
    """Colours (..., 3), 0..255 -> one number per colour, uint32 (...), which is cheap to compare and sort."""
    wide = colors.astype(np.uint32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def _color(color: Iterable[int], of: object) -> Color:
    values = tuple(color) if isinstance(color, Iterable) else (color,)
    if len(values) != 3 or not all(
        isinstance(v, int | np.integer) and not isinstance(v, bool) and 0 <= v <= 255 for v in values
    ):
        raise LayoutError(f"a colour is three whole numbers 0..255; that of class {of} is {reprlib.repr(color)}.")
    return int(values[0]), int(values[1]), int(values[2])


def _is_unlabelled(name: str) -> bool:
    return name.strip().casefold() == "unlabelled"


def _check_position(row: dict[str, Any], position: int) -> None:
    if row.get("id", position) != position:
        raise LayoutError(
            f"class {row.get('name')!r} has id {reprlib.repr(row['id'])} but is at position {position}; ids must run "
            "from 0 without gaps."
        )


def _read_codes(rows: list[dict[str, Any]], ids: list[int], classes: ClassSet) -> LabelCodes:
    """The codes of label files that the rows of a class file give.

    Args:
        rows: one for each class, and perhaps for "unlabelled".
        ids: the id that each row stands for.
        classes: those of the rows.
    """
    numbers: list[tuple[int, int]] = []
    colors: list[tuple[Color, int]] = []
    for row, index in zip(rows, ids, strict=True):
        for key in ("label_ids", "label_colors"):
            if not isinstance(row.get(key, []), list):
                raise LayoutError(f"{key} of {row['name']!r} must be a list, not {reprlib.repr(row[key])}.")
        for value in row.get("label_ids", []):
            if not isinstance(value, int) or isinstance(value, bool):
                raise LayoutError(f"label_ids of {row['name']!r} must be whole numbers, not {reprlib.repr(value)}.")
            numbers.append((value, index))
        own = [row["color"]] if index == UNLABELLED and "color" in row else []
        colors += [(_color(color, row["name"]), index) for color in (*own, *row.get("label_colors", []))]
    if not any("label_ids" in row for row in rows):
        numbers = [*enumerate(ids)] if UNLABELLED in ids else []
    _refuse_repeats("number in label_ids", [value for value, _ in numbers])
    _refuse_repeats("colour", [*classes.colors, *(color for color, _ in colors)])
    return LabelCodes(dict(numbers) or None, dict(colors))


def _refuse_repeats(what: str, values: Sequence[Any]) -> None:
    if repeated := sorted(value for value, count in Counter(values).items() if count > 1)[:5]:
        raise LayoutError(f"a {what} may occur only once in a class set; repeated: {repeated}.")


def in_pixels(count: int) -> str:
    """1 -> "1 pixel", 1234 -> "1,234 pixels"."""
    return f"{count:,} pixel{'' if count == 1 else 's'}"
