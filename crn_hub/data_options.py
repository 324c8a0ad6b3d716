"""How rows of a data set are found and read: arguments that several commands have in common."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter


@dataclass(kw_only=True)
class LabelOptions:
    """How label maps are read."""

    classes: str | None = None
    """Preset (cityscapes, camvid, streets, ade20k, coco-stuff, mapillary, nyu40), classes.json, labelmap.txt or CSV;
    by default the classes.json beside the data."""
    layout_classes: str | None = None
    """What the labels are drawn in, if it can't be seen: a preset or file, indices (their numbers are ids, whatever the
    palette) or cityscapes-label-ids (raw ids 0..33)."""
    snap: bool = False
    """Read label colours of no class as the nearest class colour, for labels that have been saved as JPEG."""
    ignore_label: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = ()
    """Further ids in the labels that mean unlabelled, such as 254, 65535 or -1; 255 always does."""
    reduce_labels: bool = False
    """Ids in the labels begin at 1 for the first class, and 0 means unlabelled."""


@dataclass(kw_only=True)
class DataOptions(LabelOptions):
    """How the rows of a data set are found and read."""

    label_folder: str | None = None
    """Folder with the label maps of the photographs that are in the folder of the data set, matched by name."""
    dataset_config_name: str | None = None
    """Configuration of the data set, if it has several."""
    dataset_revision: str | None = None
    """Branch, tag or commit of a data set on the Hub; main by default."""
    image_column: str = "image"
    """Column with the photographs."""
    label_column: str = "label"
    """Column with the label maps: ids, a palette PNG or class colours."""
    skip_bad_rows: bool = False
    """Leave out rows that cannot be used, and list them, instead of stopping at the first."""

    @property
    def columns(self) -> tuple[str, str]:
        """Those of photographs and label maps."""
        return self.image_column, self.label_column
