"""Pairs of photograph and label map, for training and evaluation."""

from crn_hub.data.pairs import PairDataset, spread
from crn_hub.data.sources import dataset_license, find_classes, hold_out, load_rows, load_splits, scene_rows

__all__ = [
    "PairDataset",
    "dataset_license",
    "find_classes",
    "hold_out",
    "load_rows",
    "load_splits",
    "scene_rows",
    "spread",
]
