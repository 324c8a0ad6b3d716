"""Pairs of photograph and label map for training."""

from crn_hub.data.pairs import PairDataset
from crn_hub.data.sources import dataset_license, find_classes, load_rows, scene_rows

__all__ = ["PairDataset", "dataset_license", "find_classes", "load_rows", "scene_rows"]
