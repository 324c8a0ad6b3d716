"""An evaluation as one table, for the console, Markdown, CSV and JSON, and as a part of model cards."""

import csv
import io
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from crn_hub.files import write_text
from crn_hub.hub.card import escape, is_unedited, markdown_table
from crn_hub.hub.model_folder import CARD, TRAINING_RECORD
from crn_hub.hub.training_record import EvaluationRecord, MeasureRecord
from crn_hub.metrics.evaluation import OTHERS, PHOTOGRAPHS, Evaluation
from crn_hub.metrics.measuring import ModelOnRows
from crn_hub.metrics.summary import MEASURES, Measure, Summary, Value
from crn_hub.text import number, one_line, three_digits

PIPE_WIDTH = 120  # columns, where no terminal says how many there are
ARROWS = {"lower": "↓", "higher": "↑"}


def columns_of(evaluation: Evaluation) -> dict[str, Summary]:
    """The columns of the table: models, then the photographs that they are compared with, by name."""
    columns = {model.name: summary for model, summary in evaluation.models}
    if evaluation.others is not None:
        columns[OTHERS] = evaluation.others
    if evaluation.photographs is not None:
        columns[PHOTOGRAPHS] = evaluation.photographs
    return columns


def titles_of(evaluation: Evaluation) -> dict[str, str]:
    """The measures that were taken of a model, by key, in order: titles with arrows that point to better."""
    taken = {key for _, summary in evaluation.models for key in summary.measures}
    return {
        measure.key: f"{measure.title.format(features=evaluation.features)} {ARROWS[measure.better]}"
        for measure in MEASURES
        if measure.key in taken
    }


def notes_of(evaluation: Evaluation) -> list[str]:
    """What stands under the table."""
    notes = [*evaluation.notes]
    if evaluation.others is not None:
        notes.append(
            "Other photographs: recorded ones of other rows in the place of a model's, as a measure for the measures; "
            "real, but with nothing of the layouts."
        )
    return notes + [_unknown(model) for model, _ in evaluation.models if model.unknown]


def _unknown(model: ModelOnRows) -> str:
    return f"{model.name} has no class for {', '.join(model.unknown)}: unlabelled in the layouts that it gets."


def rows_of(evaluation: Evaluation) -> list[tuple[str, list[str]]]:
    """The lines of the table: title, and a cell for each column."""
    columns, models = columns_of(evaluation), [model.model for model, _ in evaluation.models]
    lines = [
        (title, [cell(column.measures.get(key)) for column in columns.values()])
        for key, title in titles_of(evaluation).items()
    ]
    blanks = [""] * (len(columns) - len(models))
    return [
        *lines,
        ("images per layout (k)", [*(str(model.num_images) for model in models), *blanks]),
        ("GFLOP per layout", [*(number(model.gflop) for model in models), *blanks]),
        ("parameters", [*(f"{model.num_parameters:,}" for model in models), *blanks]),
    ]


def iou_rows(evaluation: Evaluation) -> list[tuple[str, list[str]]]:
    """The same for the IoU of each class; empty if it was not measured."""
    found = [column.class_iou for column in columns_of(evaluation).values()]
    if all(iou is None for iou in found):
        return []
    return [
        (name, ["-" if iou is None or np.isnan(iou[i]) else f"{iou[i]:.3f}" for iou in found])
        for i, name in enumerate(evaluation.data.classes.names)
    ]


def print_table(evaluation: Evaluation) -> None:
    """Prints the table and its notes to stdout; many models in several tables, one below the other."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    lines, names = rows_of(evaluation), [*columns_of(evaluation)]
    per_table = max(1, (console.width - max(len(title) for title, _ in lines) - 2) // 24)
    for start in range(0, len(names), per_table):
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("", no_wrap=True)
        for name in names[start : start + per_table]:
            table.add_column(Text(one_line(name)), min_width=22)
        for title, cells in lines:
            if any(c not in ("", "-") for c in cells[start : start + per_table]):
                table.add_row(Text(title), *cells[start : start + per_table])
        console.print(table)
        console.print()
    for note in notes_of(evaluation):
        console.print(f"- {note}", soft_wrap=not console.is_terminal)


def write_report(evaluation: Evaluation, output: Path) -> list[Path]:
    """Writes table.md, table.csv and results.json into a folder; returns them."""
    texts = {"table.md": _markdown(evaluation), "table.csv": _csv(evaluation), "results.json": _json(evaluation)}
    for name, text in texts.items():
        write_text(output / name, text)
    return [output / name for name in texts]


def update_cards(evaluation: Evaluation) -> list[Path]:
    """Writes the results into training.json and card of the models that lie in local folders; returns these files.

    Cards that people have edited stay as they are, which is told on stderr.
    """
    written = []
    for model, summary in evaluation.models:
        if model.folder is not None and model.folder.is_dir():
            model.model.training_record["evaluation"] = _for_card(evaluation, model, summary)
            model.model.save_card(model.folder)
            written.append(model.folder / TRAINING_RECORD)
            if is_unedited(card := model.folder / CARD):
                written.append(card)
            else:
                print(f"{card}: edited by people, stays; {TRAINING_RECORD} has the results.", file=sys.stderr)
    return written


def _conditions(evaluation: Evaluation, measure: Measure) -> dict[str, Any]:
    """What the numbers of a measure depend on; "" for what they do not."""
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
    """What `crn_hub.hub.card` shows of an evaluation: the measures, each with what it depends on."""
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
        "split": facts["split"],
        "measures": measures,
        "notes": [*evaluation.notes, *([_unknown(model)] if model.unknown else [])],
    }


def cell(value: Value | None) -> str:
    """A value and its interval as people read them: "0.393 (0.371, 0.415)"; a dash for none."""
    if value is None or math.isnan(value.value):
        return "-"
    if value.low is None or value.high is None:
        return three_digits(value.value)
    return f"{three_digits(value.value)} ({three_digits(value.low)}, {three_digits(value.high)})"


def _markdown(evaluation: Evaluation) -> str:
    head = ["", *map(escape, columns_of(evaluation))]
    parts = [markdown_table(head, [[escape(title), *cells] for title, cells in rows_of(evaluation)])]
    if iou := iou_rows(evaluation):
        parts += ["IoU of each class:", markdown_table(head, [[escape(name), *cells] for name, cells in iou])]
    parts.append("\n".join(f"- {escape(note)}" for note in notes_of(evaluation)))
    return "\n\n".join(parts) + "\n"


def _csv(evaluation: Evaluation) -> str:
    """One line per model and measure, with what it depends on; "iou/NAME" is that of a class."""
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
        if summary.class_iou is not None:
            conditions = _conditions(evaluation, measures["miou"]).values()
            for label, iou in zip(evaluation.data.classes.names, summary.class_iou.tolist(), strict=True):
                number_or_none = "" if math.isnan(iou) else repr(iou)
                writer.writerow([name, f"iou/{label}", number_or_none, "", "", *data, *conditions])
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
    names, iou = (*evaluation.data.classes.names, "unlabelled"), summary.class_iou
    return {
        "measures": {key: [_finite(v) for v in (m.value, m.low, m.high)] for key, m in summary.measures.items()},
        "class_iou": dict(zip(names, map(_finite, iou), strict=False)) if iou is not None else None,
        "class_perceptual": dict(zip(names, map(_finite, summary.class_perceptual), strict=True)),
    }


def _finite(value: float | None) -> float | None:
    """JSON has neither infinity nor nan."""
    return None if value is None or not math.isfinite(value) else float(value)
