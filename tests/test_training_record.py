"""The schema of training.json: what the model in the box records is all in it."""

import json
from typing import Any, get_args, get_type_hints, is_typeddict

from crn_hub.box import MODEL_IN_THE_BOX
from crn_hub.hub.model_folder import TRAINING_RECORD
from crn_hub.hub.training_record import TrainingRecord


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
    assert {"settings", "result", "started_from", "evaluation", "loss_weights"} <= set(record)
    assert missing(record, TrainingRecord, "record") == []
    record["evaluation"]["measures"][0]["unit"] = "%"
    record["started_from"]["result"]["joules"] = 3
    assert sorted(missing(record, TrainingRecord, "record")) == ["measures.unit", "result.joules"]
