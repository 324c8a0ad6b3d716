"""Class sets, ids and colours, layout files: what the pixels of a layout mean."""

from crn_hub.classes.class_set import UNLABELLED, ClassSet, LayoutError
from crn_hub.classes.decoding import is_in_colors
from crn_hub.classes.layout_files import (
    LABEL_IDS,
    Layout,
    LayoutReading,
    LayoutWarning,
    read_layout,
)
from crn_hub.classes.presets import PRESETS

__all__ = [
    "LABEL_IDS",
    "PRESETS",
    "UNLABELLED",
    "ClassSet",
    "Layout",
    "LayoutError",
    "LayoutReading",
    "LayoutWarning",
    "is_in_colors",
    "read_layout",
]
