"""Pairs of photograph and label map, for training and evaluation."""

from crn_hub.data.known_collections import collections_of, hidden_rows, sources_of
from crn_hub.data.label_survey import LabelSurvey, describe_labels
from crn_hub.data.labels import LabelReader
from crn_hub.data.pairs import Checked, PairDataset, check_rows, spread
from crn_hub.data.scene_rows import scene_rows
from crn_hub.data.sources import check_columns, dataset_license, find_classes, load_splits
from crn_hub.data.splits import hold_apart, labelled_rows, load_rows

__all__ = [
    "Checked",
    "LabelReader",
    "LabelSurvey",
    "PairDataset",
    "check_columns",
    "check_rows",
    "collections_of",
    "dataset_license",
    "describe_labels",
    "find_classes",
    "hidden_rows",
    "hold_apart",
    "labelled_rows",
    "load_rows",
    "load_splits",
    "scene_rows",
    "sources_of",
    "spread",
]
