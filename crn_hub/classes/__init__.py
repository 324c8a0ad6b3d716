"""Class sets, ids and colours, layout files: what the pixels of a layout mean."""

from crn_hub.classes.class_set import UNLABELLED, ClassSet, LabelCodes, LayoutError
from crn_hub.classes.layout_files import (
    INDICES,
    LABEL_IDS,
    Finding,
    Layout,
    LayoutReading,
    LayoutWarning,
    read_layout,
    void_number,
)
from crn_hub.classes.presets import PRESETS

__all__ = [
    "INDICES",
    "LABEL_IDS",
    "PRESETS",
    "UNLABELLED",
    "ClassSet",
    "Finding",
    "LabelCodes",
    "Layout",
    "LayoutError",
    "LayoutReading",
    "LayoutWarning",
    "read_layout",
    "void_number",
]
