"""Pairs of photograph and label map, for training and evaluation."""

from crn_hub.data.known_collections import collections_of, hidden_rows, sources_of
from crn_hub.data.pairs import PairDataset, check_rows, spread
from crn_hub.data.region_colors import class_colors
from crn_hub.data.sources import (
    check_columns,
    dataset_license,
    find_classes,
    hold_out,
    load_rows,
    load_splits,
    scene_rows,
)

__all__ = [
    "PairDataset",
    "check_columns",
    "check_rows",
    "class_colors",
    "collections_of",
    "dataset_license",
    "find_classes",
    "hidden_rows",
    "hold_out",
    "load_rows",
    "load_splits",
    "scene_rows",
    "sources_of",
    "spread",
]
