"""What a training record (`crn_hub.hub.training_record`) says, ready to be shown by the model card and `crn info`.

Records may come from outside: parts of a wrong type are left out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from crn_hub.hub.training_record import evaluations_in
from crn_hub.text import duration, number, one_line


@dataclass(frozen=True)
class Measured:
    """One measure of an evaluation; texts are of one line, not yet escaped.

    Attributes:
        type: the Hub's name of the metric.
        value: a finite number.
        interval: low and high end; None if unknown.
        of_photographs: what recorded photographs reach; None if unknown.
        conditions: what the value depends on, name -> text or number.
    """

    name: str
    type: str
    value: float
    interval: tuple[float, float] | None
    of_photographs: float | None
    conditions: dict[str, str | float]


@dataclass(frozen=True)
class Evaluated:
    """What `crn evaluate` found on some rows; texts are of one line, not yet escaped, and "" if unknown.

    Attributes:
        dataset: for people, with the part of it that was measured.
        hub_dataset: its Hub id.
        part: the part that was measured; "" for the whole.
        split: the name of the split.
        measures: at least one.
        notes: what makes these numbers comparable.
    """

    dataset: str
    hub_dataset: str
    part: str
    split: str
    measures: list[Measured]
    notes: list[str]

    @property
    def title(self) -> str:
        """The rows, as a title: "streets, source camvid (validation)"."""
        return (self.dataset or "data that are not recorded") + (f" ({self.split})" if self.split else "")


@dataclass(frozen=True)
class Labels:
    """What the label maps of the last stage's data were taken for; texts are of one line, not yet escaped.

    Attributes:
        rows, of_rows: how many rows were looked at, and how many there are; "" if unknown.
        read_as: what the labels were taken for.
        classes: name, share of the pixels and number of rows of each class, and of unlabelled pixels; at least one.
        notes: sentences on what is remarkable.
    """

    rows: str
    of_rows: str
    read_as: list[str]
    classes: list[tuple[str, float, str]]
    notes: list[str]


@dataclass(frozen=True)
class TrainingSummary:
    """What a training record says, ready to be shown; texts are of one line, not yet escaped, and "" if unknown.

    Attributes:
        stages: the stages of training, first to last, each as the title of a fact -> the fact, "" if unknown; all
            have the same titles.
        system: which of the compared systems was trained, and how; "" for the paper's own.
        dataset, hub_dataset, license, notes: of the last stage; `hub_dataset` is a Hub id.
        earlier_licenses: of the data of the stages before, as far as they differ from `license`.
        citations: how the data of all stages ask to be cited.
        hours: of all stages together.
        validation_loss: of the last stage.
        loss_weights: of the last stage, layer -> weight.
        published_weights: the checkpoint whose loss weights these are; "" if they were measured.
        converted_from: what the weights, or those that the first stage started from, were converted from.
        unknown_start: whether the first stage started from weights of which nothing is recorded.
        evaluations: those with measures.
        splits: the names of the splits that were trained on and held out in the last stage; "" if unknown.
        labels: what its label maps were taken for; None if unknown.
    """

    stages: list[dict[str, str]]
    system: str
    dataset: str
    hub_dataset: str
    license: str
    earlier_licenses: list[str]
    citations: list[str]
    notes: str
    hours: float
    validation_loss: float | None
    loss_weights: dict[str, float]
    published_weights: str
    converted_from: str
    unknown_start: bool
    evaluations: list[Evaluated]
    splits: tuple[str, str]
    labels: Labels | None


def summarise_training(record: Mapping[str, Any]) -> TrainingSummary:
    """A training record (`HubModel.training_record`) as far as it can be shown; parts of wrong types are left out."""
    chain = [record]  # the last stage first
    while before := _object(chain[-1].get("started_from")):
        chain.append(before)
    chain.reverse()
    settings = [_object(part.get("settings")) for part in chain]
    results = [_object(part.get("result")) for part in chain]
    data = [
        _string(s.get("dataset_name")) or _string(part.get("dataset")) for part, s in zip(chain, settings, strict=True)
    ]
    stages = [
        _facts({**s, **result, "data": name if len(set(data) - {""}) > 1 else None})
        for s, result, name in zip(settings, results, data, strict=True)
    ]
    evaluations = [_evaluated(evaluation) for evaluation in evaluations_in(record)]
    splits = _object(record.get("splits"))
    licenses = [_string(part.get("license")) for part in chain]
    cited = [_string(text) for part in chain for text in _list(part.get("citations"))]
    weights = {one_line(layer): _finite(weight) for layer, weight in _object(record.get("loss_weights")).items()}
    return TrainingSummary(
        stages=[stage for stage in stages if any(stage.values())],
        system=_string(record.get("system")),
        dataset=_string(record.get("dataset")),
        hub_dataset=_hub_id(record.get("hub_dataset")),
        license=licenses[-1],
        earlier_licenses=[name for name in dict.fromkeys(licenses) if name not in ("", licenses[-1])],
        citations=[text for text in dict.fromkeys(cited) if text],
        notes=_string(record.get("notes")),
        hours=sum(_finite(result.get("hours")) or 0 for result in results),
        validation_loss=_finite(results[-1].get("validation_loss")),
        loss_weights={layer: weight for layer, weight in weights.items() if weight is not None},
        published_weights=_string(settings[-1].get("loss_weights")).replace("calibrate", ""),
        converted_from=_string(chain[0].get("converted_from")),
        unknown_start=bool(_string(settings[0].get("init_from"))),
        evaluations=[evaluation for evaluation in evaluations if evaluation.measures],
        splits=(_string(splits.get("train")), _string(splits.get("held_out"))),
        labels=_labels(_object(record.get("labels"))),
    )


def slug(text: str) -> str:
    """The text as an identifier: "CamVid, train" -> "camvid-train"."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "unnamed"


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _finite(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and abs(value) < 1e18 else None  # None for nan, too


def _text(value: Any) -> str:
    """A single value as a text of one line; "" for a list, an object or null."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if (finite := _finite(value)) is not None:
        return number(finite)
    return _string(value)


def _string(value: Any) -> str:
    return one_line(value) if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _size(value: Any) -> str:
    """[256, 320] -> "256 x 320"; "" for what is no such pair."""
    sides = [_finite(side) for side in _list(value)]
    return f"{sides[0]:g} x {sides[1]:g}" if len(sides) == 2 and None not in sides else ""


def _hub_id(value: Any) -> str:
    try:
        validate_repo_id(text := _string(value))
    except HFValidationError:
        return ""
    return text


def _evaluated(record: dict[str, Any]) -> Evaluated:
    measures = [_measured(_object(measure)) for measure in _list(record.get("measures"))]
    return Evaluated(
        dataset=_string(record.get("dataset")),
        hub_dataset=_hub_id(record.get("hub_dataset")),
        part=_string(record.get("part")),
        split=_string(record.get("split")),
        measures=[measure for measure in measures if measure is not None],
        notes=[note for note in map(_string, _list(record.get("notes"))) if note],
    )


def _labels(record: dict[str, Any]) -> Labels | None:
    rows = map(_object, _list(record.get("classes")))
    classes = [(_string(row.get("name")), _finite(row.get("share")), _text(row.get("rows"))) for row in rows]
    known = [(name, share, count) for name, share, count in classes if name and share is not None]
    if not known:
        return None
    notes = [_string(note) for key in ("warnings", "notes") for note in _list(record.get(key))]
    read_as = [one_line(way) for way in _object(record.get("read_as"))]
    return Labels(
        _text(record.get("rows")), _text(record.get("of_rows")), read_as, known, [note for note in notes if note]
    )


def _measured(record: dict[str, Any]) -> Measured | None:
    name, value = _string(record.get("name")), _finite(record.get("value"))
    if not name or value is None:
        return None
    low, high = _finite(record.get("low")), _finite(record.get("high"))
    conditions = {
        one_line(key): finite if (finite := _finite(condition)) is not None else _string(condition)
        for key, condition in _object(record.get("conditions")).items()
    }
    return Measured(
        name,
        _string(record.get("type")) or slug(name),
        value,
        (low, high) if low is not None and high is not None else None,
        _finite(record.get("of_photographs")),
        conditions,
    )


def _facts(stage: dict[str, Any]) -> dict[str, str]:
    """Settings and result of one stage -> what people want to know of it; the rest can be read in training.json."""
    texts = {name: _text(value) for name, value in stage.items()}
    hours, memory = _finite(stage.get("hours")), texts.get("peak_memory_gb")
    return {
        "data": texts.get("data", ""),
        "system": texts.get("system", ""),
        "image height": texts.get("resolution", ""),
        "image height x width": _size(stage.get("resolution")),
        "images per layout (k)": texts.get("num_images", ""),
        "steps": texts.get("steps", ""),
        "epochs": texts.get("epochs", ""),
        "images per step": texts.get("images_per_step") or texts.get("train_batch_size", ""),
        "learning rate": ", ".join(filter(None, [texts.get("learning_rate"), texts.get("lr_scheduler")])),
        "modules trained": texts.get("train_modules", ""),
        "random mirroring": texts.get("random_flip", ""),
        "weights averaged (EMA)": texts.get("use_ema", ""),
        "feature network": texts.get("perceptual_net", ""),
        "segmentation network of the loss": texts.get("segmenter", ""),
        "mixed precision": texts.get("mixed_precision", ""),
        "hardware": texts.get("hardware", ""),
        "time": duration(hours) if hours is not None else "",
        "peak memory": f"{memory} GB" if memory else "",
        "validation loss": texts.get("validation_loss", ""),
    }
