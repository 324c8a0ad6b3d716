"""The schema of training.json: what the model in the box records is all in it."""

import json
from typing import Any, get_args, get_type_hints, is_typeddict

import pytest

from crn_hub.box import MODEL_IN_THE_BOX
from crn_hub.hub.model_folder import TRAINING_RECORD
from crn_hub.hub.training_record import TrainingRecord, add_evaluation, evaluations_in


def missing(value: Any, kind: Any, path: str) -> list[str]:
    """The keys of a record that its schema does not name, in parts of it too."""
    if is_typeddict(kind) and value is not None:
        hints = get_type_hints(kind)
        found = [f"{path}.{key}" for key in value if key not in hints]
        return found + [name for key in value if key in hints for name in missing(value[key], hints[key], key)]
    if isinstance(value, list):
        return [name for part in value for name in missing(part, *get_args(kind), path)]
    return []


def test_the_box_records_nothing_that_the_schema_does_not_name() -> None:
    record = json.loads((MODEL_IN_THE_BOX / TRAINING_RECORD).read_text())
    assert {"settings", "result", "started_from", "loss_weights"} <= set(record)
    assert missing(record, TrainingRecord, "record") == []
    evaluations_in(record)[0]["measures"][0]["unit"] = "%"
    record["started_from"]["result"]["joules"] = 3
    assert sorted(missing(record, TrainingRecord, "record")) == ["measures.unit", "result.joules"]


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({}, []),
        ({"evaluation": {"dataset": "a"}}, ["a"]),
        ({"evaluations": [{"dataset": "a"}, {"dataset": "b"}]}, ["a", "b"]),
        ({"evaluation": {"dataset": "a"}, "evaluations": [{"dataset": "b"}]}, ["a", "b"]),
        ({"evaluation": [{"dataset": "a"}], "evaluations": {"dataset": "b"}}, []),
        ({"evaluation": "a", "evaluations": ["b", 3, None, [{}], {"dataset": "c"}]}, ["c"]),
    ],
)
def test_evaluations_of_any_record_are_found(record: Any, found: list[str]) -> None:
    assert [evaluation["dataset"] for evaluation in evaluations_in(record)] == found
    add_evaluation(record, {"dataset": "new"})
    assert [evaluation["dataset"] for evaluation in record["evaluations"]] == [*found, "new"]
    assert "evaluation" not in record


def test_a_new_evaluation_takes_the_place_of_that_of_the_same_rows() -> None:
    record: TrainingRecord = {}
    streets: dict[str, Any] = {"dataset": "streets", "hub_dataset": None, "part": None, "split": "validation"}
    for other in ({}, {"dataset": "towns"}, {"hub_dataset": "org/streets"}, {"part": "source a"}, {"split": "train"}):
        add_evaluation(record, {**streets, **other, "notes": ["old"]})  # type: ignore[typeddict-item]
    assert len(record["evaluations"]) == 5
    add_evaluation(record, {**streets, "notes": ["new"]})  # type: ignore[typeddict-item]
    assert [evaluation["notes"] for evaluation in record["evaluations"]] == [["old"]] * 4 + [["new"]]
    del streets["part"]  # as an evaluation was recorded before there were parts
    add_evaluation(record, {**streets, "notes": ["newer"]})  # type: ignore[typeddict-item]
    assert [evaluation["notes"] for evaluation in record["evaluations"]] == [["old"]] * 4 + [["newer"]]
