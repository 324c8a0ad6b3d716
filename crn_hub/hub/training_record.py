"""What training.json holds, the training record of a model: who writes which part, and what it means.

`crn_hub.hub.training_summary` reads it for people. A record may come from outside, so readers rely on nothing here
without checking it. Writers leave out what they do not know.
"""

from collections.abc import Mapping
from typing import Any, TypedDict


class TrainingResult(TypedDict, total=False):
    """The outcome of a stage of training; written by train_accelerate.py."""

    steps: int  # optimiser steps
    epochs: float
    images_per_step: int  # of all processes and accumulated batches together
    rows_left_out: int  # of the data set, because they could not be used
    hours: float
    hardware: str
    peak_memory_gb: float  # 10^9 bytes, of one process
    validation_loss: float | None  # on held-out rows, by the loss of the training; the last one measured


class ClassShare(TypedDict, total=False):
    """How much of the labels is of one class, or unlabelled."""

    name: str
    share: float  # of the pixels, 0..1
    rows: int  # in which it occurs


class LabelRecord(TypedDict, total=False):
    """What the label maps of the data were taken for (`crn_hub.data.label_survey`)."""

    rows: int  # that were looked at
    of_rows: int  # that are trained on
    read_as: dict[str, int]  # what labels were taken for -> rows
    classes: list[ClassShare]  # in the order of their ids, and unlabelled
    cut_off: float  # the share of the photographs' area that is not trained on
    notes: list[str]  # sentences on pixels that were not read as they are
    warnings: list[str]  # sentences on what may be wrong


class SplitsRecord(TypedDict, total=False):
    """The splits of the data set."""

    train: str
    held_out: str  # "last rows" if they come from the other one


class MeasureRecord(TypedDict, total=False):
    """One measure of an evaluation."""

    name: str  # as in tables, such as "mIoU ↑"
    type: str  # the Hub's name of the metric
    value: float
    low: float | None  # ends of the 95 % interval; null if there is none
    high: float | None
    of_photographs: float | None  # what the recorded photographs themselves reach; null if that means nothing
    conditions: dict[str, Any]  # what the value depends on: name -> text or number


class EvaluationRecord(TypedDict, total=False):
    """What `crn evaluate --update-cards` found on the rows of a data set, or on a part of them."""

    dataset: str  # for people, with the part: "streets, source camvid"
    hub_dataset: str | None  # its Hub id; null for a local one
    part: str | None  # "source camvid"; null or missing for the whole
    split: str
    measures: list[MeasureRecord]
    notes: list[str]  # sentences on what makes the numbers comparable


class TrainingRecord(TypedDict, total=False):
    """The whole of training.json; every key may be missing."""

    # Written by train_accelerate.py
    dataset: str  # for people: a Hub id, the name of a folder, "procedural street scenes"
    hub_dataset: str | None  # its Hub id; null for a local one
    license: str | None  # of the data, and so of the weights: a licence's id on the Hub if it has one, else its name
    citations: list[str]  # how the data ask to be cited
    settings: dict[str, Any]  # arguments of train_accelerate.py as used, paths without their folders
    result: TrainingResult
    splits: SplitsRecord  # missing for scenes
    labels: LabelRecord  # missing for scenes
    system: str  # which of the compared systems was trained; missing for the paper's own
    loss_weights: dict[str, float]  # of the perceptual loss: layer -> weight
    started_from: "TrainingRecord"  # of the model that training started from: an earlier stage, or --init_from

    # Written by `crn convert-tf`
    converted_from: str  # the checkpoint that the weights come from

    # Written by `crn evaluate --update-cards`
    evaluations: list[EvaluationRecord]  # one of each data set, part and split
    evaluation: EvaluationRecord  # the only one, as it was written before there could be several

    # Written by hand, or by scripts/renew_box.py
    notes: str  # closes the model card


def evaluations_in(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The evaluations in a record, which may be one from outside; what is no object is left out."""
    several = record.get("evaluations")
    found = [record.get("evaluation"), *(several if isinstance(several, list) else [])]
    return [evaluation for evaluation in found if isinstance(evaluation, dict)]


def add_evaluation(record: TrainingRecord, evaluation: EvaluationRecord) -> None:
    """Puts an evaluation into a record, in place of an earlier one of the same rows."""

    def rows(evaluation: Mapping[str, Any]) -> list[Any]:
        return [evaluation.get(key) for key in ("dataset", "hub_dataset", "part", "split")]

    kept = [earlier for earlier in evaluations_in(record) if rows(earlier) != rows(evaluation)]
    record["evaluations"] = [*kept, evaluation]  # type: ignore[list-item]  # unchecked, as everything in a record
    record.pop("evaluation", None)
