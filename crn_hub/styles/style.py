"""A style: for each class the colours that its regions have in one photograph, and so under one light."""

import re
import reprlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from crn_hub.classes import UNLABELLED, ClassSet, Layout, LayoutWarning, read_layout
from crn_hub.pictures import Photograph, read_photograph
from crn_hub.region_colors import find_regions, mean_colors
from crn_hub.text import clause, some

UNLABELLED_NAME = "unlabelled"  # in config.json, beside the names of classes
MOST_STYLES, MOST_COLORS, MOST_PHOTOGRAPHS = 64, 32, 2**31
LONGEST_NAME = 60
SPREAD = 0.03  # standard deviation of a region's colour around its style's, on the -1..1 scale
CELLS = 8, 16  # down and across: the place of a region is the cell of its middle
NEAREST = 5  # styles that may lend a class
LEAST_SHARE = 0.02  # of a class's large regions; a smaller one says little about its colours

Shares = tuple[tuple[tuple[int, int, int], float], ...]  # colours, and what share of the class each has


@dataclass(frozen=True)
class Style:
    """The colours of a photograph's regions, by class.

    Attributes:
        name: as people choose it.
        colors: by id, UNLABELLED included, the colours of a class's regions, RGB in 0..255, each with its share of
            the class. A class that the photograph lacks is missing.
        photographs: how many photographs of the training data are most like this one, by their source; "" where the
            data name none.
    """

    name: str
    colors: Mapping[int, Shares]
    photographs: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind, shares in self.colors.items():
            if not shares or not all(_is_color(color) and _is_share(share) for color, share in shares):
                raise ValueError(
                    f"the colours of class id {clause(kind)} must be RGB in whole numbers 0..255, each with a share "
                    f"above 0 and up to 1, not {reprlib.repr(shares)}."
                )

    @classmethod
    def from_photograph(
        cls, photograph: Photograph, layout: Layout, classes: ClassSet | None = None, name: str = "photograph"
    ) -> "Style":
        """The style of a photograph.

        Args:
            photograph: path, PIL image or array, uint8 (H, W, 3).
            layout: what it shows, of the same size: ids, uint8 (H, W), 255 unlabelled, or with `classes` whatever
                `read_layout` understands.
            classes: what the layout means, if it isn't an array of ids. Ids are those of the model that will use the
                style.
            name: the style's.

        Raises:
            LayoutError: if the layout cannot be read.
            ValueError: if the photograph cannot be read, sizes differ, or `classes` is needed.
        """
        pixels = read_photograph(photograph)
        if classes is not None:
            reading = read_layout(layout, classes)
            for note in reading.notes:
                warnings.warn(note, LayoutWarning, stacklevel=2)
            ids = reading.ids
        elif isinstance(layout, np.ndarray) and layout.ndim == 2 and layout.dtype == np.uint8:
            ids = layout
        else:
            raise ValueError("the layout must be an array of ids, uint8 (H, W), or `classes` must say what it means.")
        if ids.shape != pixels.shape[:2]:
            raise ValueError(
                f"the photograph has {pixels.shape[1]} x {pixels.shape[0]} pixels, its layout {ids.shape[1]} x "
                f"{ids.shape[0]}; they must be equal."
            )
        return cls(name, _colors_of(pixels, ids))

    def mean(self, kind: int) -> np.ndarray:
        """RGB in 0..255, (3,): the mean colour of a class that the style has."""
        colors, shares = (np.array(values, float) for values in zip(*self.colors[kind], strict=True))
        return shares @ colors / shares.sum()

    def unlike(self, other: "Style") -> float:
        """How far two styles are apart: the root of the mean squared difference of the classes that both have, in
        0..255; infinite if they share none."""
        common = self.colors.keys() & other.colors.keys()
        differences = [self.mean(kind) - other.mean(kind) for kind in sorted(common)]
        return float(np.sqrt(np.square(differences).mean())) if differences else float("inf")

    def completed(self, others: Sequence["Style"], kinds: Sequence[int]) -> "Style":
        """With the classes that it lacks, from one of the styles that are most like it and have them: that one with the
        usual colour, because a label may be wrong."""
        nearest = sorted(others, key=self.unlike)
        found = dict(self.colors)
        for kind in kinds:
            having = [style for style in nearest if kind in style.colors][:NEAREST]
            if kind not in found and having:
                means = np.stack([style.mean(kind) for style in having])
                usual = np.abs(means - np.median(means, axis=0)).sum(axis=1).argmin()
                found[kind] = having[usual].colors[kind]
        return replace(self, colors={kind: found[kind] for kind in kinds if kind in found})

    def paint(self, ids: np.ndarray, seed: int) -> np.ndarray:
        """float32 (3, H, W), RGB in -1..1: a colour for each region of a layout.

        A region's colour depends on seed, class and place alone: what is painted elsewhere doesn't change it.

        Args:
            ids: uint8 (H, W); the style must have all classes in it.
            seed: 0 or more.
        """
        regions = find_regions(ids)
        middles = [_middles(regions.number, len(regions.kinds), axis) for axis in range(2)]
        colors = np.empty((len(regions.kinds), 3))
        for region, kind in enumerate(regions.kinds.tolist()):
            if region < regions.whole:  # what is small has the mean colour of its class
                colors[region] = self.mean(kind)
                continue
            place = (int(middle[region] * cells) for middle, cells in zip(middles, CELLS, strict=True))
            rng = np.random.default_rng((seed, kind, *place))
            shares = np.array([share for _, share in self.colors[kind]])
            chosen = self.colors[kind][rng.choice(len(shares), p=shares / shares.sum())][0]
            colors[region] = np.array(chosen) + 127.5 * rng.normal(0, SPREAD, 3)
        scaled = np.clip(colors / 127.5 - 1, -1, 1)
        return np.take(scaled.T.astype(np.float32), regions.number, axis=1)

    # -- config.json ---------------------------------------------------------------------------------

    def to_config(self, classes: ClassSet) -> dict[str, Any]:
        """As config.json has it: colours in hex, with their shares, by the names of classes."""
        names = {**dict(enumerate(classes.names)), UNLABELLED: UNLABELLED_NAME}
        return {
            "name": self.name,
            "colors": {
                names[kind]: {f"#{bytes(color).hex()}": share for color, share in colors}
                for kind, colors in self.colors.items()
            },
            "photographs": dict(self.photographs),
        }

    @classmethod
    def from_config(cls, config: Any, classes: ClassSet) -> "Style":
        """A style of a model's config.json, which has all its classes.

        Raises:
            ValueError: if it is not such a style; a clause on what is wrong.
        """
        if not isinstance(config, Mapping) or set(config) != {"name", "colors", "photographs"}:
            raise ValueError(f"a style must have name, colors and photographs, not {reprlib.repr(config)}")
        name, colors, photographs = config["name"], config["colors"], config["photographs"]
        _check_name(name)
        if not isinstance(colors, Mapping):
            raise ValueError(f"the colours of the style {clause(name)} must be by class, not {reprlib.repr(colors)}")
        wanted = {*classes.names, UNLABELLED_NAME}
        if missing := sorted(wanted - set(colors)):
            raise ValueError(f"the style {clause(name)} has no colours for {some(missing)}")
        if unknown := sorted(map(str, set(colors) - wanted)):
            raise ValueError(f"the style {clause(name)} has colours for {some(unknown)}, which are no classes")
        _check_photographs(photographs, name)
        ids = {**{of_class: kind for kind, of_class in enumerate(classes.names)}, UNLABELLED_NAME: UNLABELLED}
        by_id = {ids[of_class]: _read_shares(shares, name, of_class) for of_class, shares in colors.items()}
        return cls(name, by_id, dict(photographs))


def styles_from_config(config: Any, classes: ClassSet) -> tuple[Style, ...]:
    """The styles in a config.json.

    Raises:
        ValueError: if they are no styles; a clause on what is wrong.
    """
    if not isinstance(config, Sequence) or isinstance(config, str):
        raise ValueError(f"styles must be a list of 1 to {MOST_STYLES}, not {reprlib.repr(config)}")
    styles = tuple(Style.from_config(style, classes) for style in config)
    check_styles(styles)
    return styles


def check_styles(styles: Sequence[Style]) -> None:
    """
    Raises:
        ValueError: if a model cannot have these styles: by their number, names or counts; a clause.
    """
    if not 1 <= len(styles) <= MOST_STYLES:
        raise ValueError(f"styles must be a list of 1 to {MOST_STYLES}, not of {len(styles)}")
    names = []
    for style in styles:
        if not isinstance(style, Style):
            raise ValueError(f"styles must be of the class Style, not {type(style).__name__}")
        _check_name(style.name)
        _check_photographs(style.photographs, style.name)
        if any(len(shares) > MOST_COLORS for shares in style.colors.values()):
            raise ValueError(f"the style {clause(style.name)} has more than {MOST_COLORS} colours for a class")
        names.append(style.name.casefold())
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two styles have the name {clause(repeated[0])}")


def _check_name(name: Any) -> None:
    # A number, or what begins with a hyphen, couldn't be told from a style's number or an option on the command line.
    if (
        not isinstance(name, str)
        or not 1 <= len(name) <= LONGEST_NAME
        or not name.isprintable()
        or name != name.strip()
        or name.isnumeric()
        or name.startswith("-")
    ):
        raise ValueError(
            f"the name of a style must be 1 to {LONGEST_NAME} printable characters, no number, without a hyphen in "
            f"front or spaces around it, not {reprlib.repr(name)}"
        )


def _check_photographs(photographs: Any, style: str) -> None:
    if not isinstance(photographs, Mapping) or not all(
        isinstance(source, str) and source.isprintable() and type(count) is int and 0 <= count <= MOST_PHOTOGRAPHS
        for source, count in photographs.items()
    ):
        raise ValueError(
            f"the photographs of the style {clause(style)} must be counts by source, 0..{MOST_PHOTOGRAPHS:,}, not "
            f"{reprlib.repr(photographs)}"
        )


def _is_color(color: Any) -> bool:
    return (
        isinstance(color, tuple)
        and len(color) == 3
        and all(type(value) is int and 0 <= value <= 255 for value in color)
    )


def _is_share(share: Any) -> bool:
    return isinstance(share, int | float) and not isinstance(share, bool) and 0 < share <= 1


def _read_shares(shares: Any, style: str, of_class: str) -> Shares:
    where = f"the colours of {clause(of_class)} in the style {clause(style)}"
    if not isinstance(shares, Mapping) or not 1 <= len(shares) <= MOST_COLORS:
        raise ValueError(f"{where} must be 1 to {MOST_COLORS} colours with their shares, not {reprlib.repr(shares)}")
    found = []
    for color, share in shares.items():
        if not isinstance(color, str) or not re.fullmatch(r"#[0-9a-fA-F]{6}", color):
            raise ValueError(f'{where} must be like "#40a0ff", not {reprlib.repr(color)}')
        if not _is_share(share):
            raise ValueError(f"{where} must have shares above 0 and up to 1, not {reprlib.repr(share)}")
        red, green, blue = bytes.fromhex(color[1:])
        found.append(((red, green, blue), float(share)))
    return tuple(found)


def _middles(number: np.ndarray, count: int, axis: int) -> np.ndarray:
    """Where along an axis the middle of each region is, 0..1, (count,), by each pixel's number of its region (H, W)."""
    lines = np.arange(number.shape[axis])
    of_line = number + count * np.expand_dims(lines, 1 - axis)
    pixels = np.bincount(of_line.ravel(), minlength=count * len(lines)).reshape(len(lines), count)
    return lines @ pixels / np.maximum(pixels.sum(axis=0), 1) / len(lines)


def _colors_of(pixels: np.ndarray, ids: np.ndarray) -> dict[int, Shares]:
    """By id the colours of a photograph's large regions, or of all of a class that has none, largest first."""
    regions = find_regions(ids)
    areas = np.bincount(regions.number.ravel(), minlength=len(regions.kinds))
    means = mean_colors(pixels, regions.number, len(regions.kinds))
    colors: dict[int, Shares] = {}
    for whole, kind in enumerate(regions.kinds[: regions.whole].tolist()):
        large = np.flatnonzero(regions.kinds == kind)[1:]
        used = large[np.argsort(-areas[large], kind="stable")] if len(large) else np.array([whole])
        shares = areas[used] / areas[used].sum()
        merged: dict[tuple[int, int, int], float] = {}
        for region, share in zip(used[:MOST_COLORS], shares[:MOST_COLORS], strict=True):
            if share >= LEAST_SHARE or not merged:
                red, green, blue = means[region].round().astype(int).tolist()
                merged[red, green, blue] = merged.get((red, green, blue), 0.0) + float(share)
        colors[kind] = tuple((color, round(min(share, 1.0), 3)) for color, share in merged.items())
    return colors
