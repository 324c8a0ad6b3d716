"""An evaluation as files: Markdown, CSV and JSON, and a part of training records and model cards."""

import csv
import io
import json
import math
import sys
from pathlib import Path
from typing import Any

from crn_hub.files import write_text
from crn_hub.hub.card import escape, is_unedited, markdown_table
from crn_hub.hub.model_folder import CARD, TRAINING_RECORD
from crn_hub.hub.training_record import EvaluationRecord, MeasureRecord, add_evaluation
from crn_hub.metrics.evaluation import OTHERS, PHOTOGRAPHS, Evaluation
from crn_hub.metrics.picture_sources import ModelOnRows
from crn_hub.metrics.summary import MEASURES, Measure, Summary
from crn_hub.metrics.table import class_names, class_tables, columns_of, lines_of, notes_of, titles_of, unknown_note


def write_report(evaluation: Evaluation, output: Path) -> list[Path]:
    """Writes table.md, table.csv and results.json into a folder; returns them."""
    texts = {"table.md": _markdown(evaluation), "table.csv": _csv(evaluation), "results.json": _json(evaluation)}
    for name, text in texts.items():
        write_text(output / name, text)
    return [output / name for name in texts]


def update_cards(evaluation: Evaluation) -> list[Path]:
    """Writes the results into training.json and the card of each model that is a local folder; returns these files.

    Cards that people have edited are not changed, which is reported on stderr.
    """
    written = []
    for model, summary in evaluation.models:
        if model.folder is not None and model.folder.is_dir():
            add_evaluation(model.model.training_record, _for_card(evaluation, model, summary))
            model.model.save_card(model.folder)
            written.append(model.folder / TRAINING_RECORD)
            if is_unedited(card := model.folder / CARD):
                written.append(card)
            else:
                print(
                    f"{card}: edited by people, so not changed; the results are in {TRAINING_RECORD}.", file=sys.stderr
                )
    return written


def _conditions(evaluation: Evaluation, measure: Measure) -> dict[str, Any]:
    """What the values of a measure depend on; "" for what they don't depend on."""
    facts = evaluation.facts
    height, width = facts["size"]
    networks = {
        "inception": "Inception-v3",
        "alexnet": "AlexNet",
        "segmenter": (facts["segmenter"] or {}).get("name"),
        "perceptual": evaluation.features,
        "": "",
    }
    return {
        "images": facts["rows"],
        "size": f"{width} x {height}",
        "resize": "photographs bicubic with antialiasing, label maps nearest neighbour, outputs Lanczos",
        "ignored": "unlabelled pixels" if measure.key in ("miou", "pixel_accuracy") else "",
        "network": networks[measure.network],
    }


def _for_card(evaluation: Evaluation, model: ModelOnRows, summary: Summary) -> EvaluationRecord:
    """The evaluation in the training record, which the card shows: the measures, each with what it depends on."""
    facts, titles = evaluation.facts, titles_of(evaluation)
    measures: list[MeasureRecord] = []
    for measure in MEASURES:
        value = summary.measures.get(measure.key)
        if value is None or not math.isfinite(value.value):
            continue
        of_photographs = evaluation.photographs.measures.get(measure.key) if evaluation.photographs else None
        measures.append(
            {
                "name": titles[measure.key],
                "type": measure.hub,
                "value": value.value,
                "low": _finite(value.low),
                "high": _finite(value.high),
                "of_photographs": of_photographs.value if of_photographs else None,
                "conditions": {name: value for name, value in _conditions(evaluation, measure).items() if value},
            }
        )
    return {
        "dataset": facts["dataset"],
        "hub_dataset": facts["hub_dataset"],
        "part": facts["part"],
        "split": facts["split"],
        "measures": measures,
        "notes": [*evaluation.notes, *([unknown_note(model)] if model.unknown else [])],
    }


def _markdown(evaluation: Evaluation) -> str:
    head = ["", *map(escape, columns_of(evaluation))]
    parts = [f"# {escape(evaluation.facts['dataset'])}"] if evaluation.facts["part"] else []
    parts.append(markdown_table(head, [[escape(title), *cells] for title, cells in lines_of(evaluation)]))
    for title, lines in class_tables(evaluation):
        parts += [f"{escape(title)}:", markdown_table(head, [[escape(name), *cells] for name, cells in lines])]
    parts.append("\n".join(f"- {escape(note)}" for note in notes_of(evaluation)))
    return "\n\n".join(parts) + "\n"


def _csv(evaluation: Evaluation) -> str:
    """One line for each model and measure, with what it depends on; "iou/NAME" is the IoU of a class, and so on."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    measures = {measure.key: measure for measure in MEASURES}
    names = [*_conditions(evaluation, MEASURES[0])]
    writer.writerow(["model", "measure", "value", "low", "high", "dataset", "split", *names])
    data = [evaluation.facts["dataset"], evaluation.facts["split"]]
    for name, summary in columns_of(evaluation).items():
        for key, value in summary.measures.items():
            numbers = ("" if v is None else repr(v) for v in (value.value, value.low, value.high))
            writer.writerow([name, key, *numbers, *data, *_conditions(evaluation, measures[key]).values()])
        for key, of_classes in summary.of_classes.items():
            conditions = _conditions(evaluation, measures["miou" if key == "iou" else key]).values()
            for label, i in class_names(evaluation).items():
                if not math.isnan(of_class := float(of_classes[i])):
                    writer.writerow([name, f"{key}/{label}", repr(of_class), "", "", *data, *conditions])
    for model, _ in evaluation.models:
        for key in ("num_images", "gflop", "num_parameters"):
            writer.writerow([model.name, key, repr(getattr(model.model, key)), *[""] * (4 + len(names))])
    return text.getvalue()


def _json(evaluation: Evaluation) -> str:
    results = {
        "facts": evaluation.facts,
        "notes": notes_of(evaluation),
        "models": [
            {
                "name": model.name,
                "fingerprint": model.key,
                "size": list(model.model.size),
                "num_images": model.model.num_images,
                "gflop": model.model.gflop,
                "parameters": model.model.num_parameters,
                **_plain(evaluation, summary),
            }
            for model, summary in evaluation.models
        ],
        OTHERS: _plain(evaluation, evaluation.others),
        PHOTOGRAPHS: _plain(evaluation, evaluation.photographs),
    }
    return json.dumps(results, indent=2) + "\n"


def _plain(evaluation: Evaluation, summary: Summary | None) -> Any:
    if summary is None:
        return None
    names = class_names(evaluation)
    return {
        "measures": {key: [_finite(v) for v in (m.value, m.low, m.high)] for key, m in summary.measures.items()},
        "classes": {
            key: {name: _finite(values[i]) for name, i in names.items()} for key, values in summary.of_classes.items()
        },
    }


def _finite(value: float | None) -> float | None:
    """JSON has neither infinity nor nan."""
    return None if value is None or not math.isfinite(value) else float(value)
