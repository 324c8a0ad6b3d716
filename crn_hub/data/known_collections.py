"""Collections of photographs that the project knows: how to cite them, and which may be shown.

A data set names them in a column "source", as that of the preset "streets" does.
"""

from dataclasses import dataclass
from typing import Any

SOURCE_COLUMN = "source"


@dataclass(frozen=True)
class Collection:
    """Its name, how its authors ask to be cited, and whether its photographs may be published, in whatever size."""

    name: str
    citation: str
    may_be_shown: bool


COLLECTIONS = {
    "camvid": Collection(
        "CamVid",
        "CamVid: Gabriel J. Brostow, Julien Fauqueur, Roberto Cipolla. Semantic object classes in video: A "
        "high-definition ground truth database. Pattern Recognition Letters 30(2), 2009.",
        may_be_shown=True,
    ),
    "labelmefacade": Collection(
        "LabelMeFacade",
        "LabelMeFacade (for non-commercial research): Björn Fröhlich, Erik Rodner, Joachim Denzler. A fast approach "
        "for pixelwise labeling of facade images. ICPR 2010.",
        may_be_shown=False,
    ),
}


def collections_of(rows: Any) -> list[Collection]:
    """The known collections among the sources of the rows; [] if the rows name no sources."""
    found = set(_sources(rows))
    return [collection for source, collection in COLLECTIONS.items() if source in found]


def hidden_rows(rows: Any) -> set[int]:
    """The rows whose photographs are not to be published: all whose source is not known to allow it.

    Rows of a data set without a column "source" may all be shown.
    """
    shown = {source for source, collection in COLLECTIONS.items() if collection.may_be_shown}
    return {row for row, source in enumerate(_sources(rows)) if source not in shown}


def sources_of(rows: Any) -> list[str]:
    """The source of each row; "" if the rows name none."""
    return [*map(str, _sources(rows))] or [""] * len(rows)


def _sources(rows: Any) -> list[Any]:
    return list(rows[SOURCE_COLUMN]) if SOURCE_COLUMN in getattr(rows, "column_names", ()) else []
