"""An evaluation as one table: its columns, lines and notes, as text, and on the console."""

import math

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from crn_hub.metrics.evaluation import OTHERS, PHOTOGRAPHS, Evaluation
from crn_hub.metrics.picture_sources import ModelOnRows
from crn_hub.metrics.summary import MEASURES, Summary, Value
from crn_hub.text import number, one_line, three_digits

PIPE_WIDTH = 120  # columns of text if the output is not a terminal
ARROWS = {"lower": "↓", "higher": "↑", "alike": "→ 1"}


def columns_of(evaluation: Evaluation) -> dict[str, Summary]:
    """The columns of the table by name: models, then the photographs that they are compared with."""
    columns = {model.name: summary for model, summary in evaluation.models}
    if evaluation.others is not None:
        columns[OTHERS] = evaluation.others
    if evaluation.photographs is not None:
        columns[PHOTOGRAPHS] = evaluation.photographs
    return columns


def titles_of(evaluation: Evaluation) -> dict[str, str]:
    """The titles of the measures of any model, by key, in order, with arrows that point to better values."""
    measured = {key for _, summary in evaluation.models for key in summary.measures}
    return {
        measure.key: f"{measure.title.format(features=evaluation.features)} {ARROWS[measure.better]}"
        for measure in MEASURES
        if measure.key in measured
    }


def notes_of(evaluation: Evaluation) -> list[str]:
    """The notes under the table."""
    notes = [*evaluation.notes]
    if evaluation.others is not None:
        notes.append(
            "Other photographs: recorded photographs of other rows in place of a model's, as a reference for the "
            "measures: real, but unrelated to the layouts."
        )
    models = [model for model, _ in evaluation.models]
    if any(model.own_colors for model in models):
        notes.append(
            "Styles: a model with styles shows each row in one of them, drawn by the row's number with the frequency "
            "that it has among the training photographs of the row's source. Own colours: each region has its mean "
            "colour in the recorded photograph, which a layout doesn't say; that is no fair comparison with other "
            "models, but tells the colours' part from that of the network."
        )
    return notes + [unknown_note(model) for model in models if model.unknown and not model.own_colors]


def unknown_note(model: ModelOnRows) -> str:
    """A sentence on the classes of the data that a model doesn't have."""
    return f"{model.name} has no class for {', '.join(model.unknown)}: unlabelled in its layouts."


def lines_of(evaluation: Evaluation) -> list[tuple[str, list[str]]]:
    """The lines of the table: a title, and a cell for each column."""
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


def class_tables(evaluation: Evaluation) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """For each measure that was measured over the pixels of each class a title and the lines of a table."""
    columns = columns_of(evaluation).values()
    tables = []
    for key, title in class_titles(evaluation).items():
        found = [column.of_classes.get(key) for column in columns]
        lines = [
            (name, ["-" if values is None or np.isnan(values[i]) else f"{values[i]:.3f}" for values in found])
            for name, i in class_names(evaluation).items()
        ]
        tables.append((f"{title}, of each class", [(n, cells) for n, cells in lines if set(cells) != {"-"}]))
    return tables


def class_titles(evaluation: Evaluation) -> dict[str, str]:
    """The titles of the measures that were measured over the pixels of each class, by key, in order."""
    measured = {key for _, summary in evaluation.models for key in summary.of_classes}
    titles = {"iou": f"IoU {ARROWS['higher']}", **titles_of(evaluation)}
    return {key: title for key, title in titles.items() if key in measured}


def class_names(evaluation: Evaluation) -> dict[str, int]:
    """The classes in reports, name -> id, with the parts that count as one with them; unlabelled last."""
    return {**evaluation.joining.counted, "unlabelled": len(evaluation.data.classes)}


def print_table(evaluation: Evaluation) -> None:
    """Prints the table and its notes to stdout; many columns are split into several tables."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    lines, names = lines_of(evaluation), [*columns_of(evaluation)]
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


def cell(value: Value | None) -> str:
    """A value with its interval: "0.393 (0.371, 0.415)"; a dash for none."""
    if value is None or math.isnan(value.value):
        return "-"
    if value.low is None or value.high is None:
        return three_digits(value.value)
    return f"{three_digits(value.value)} ({three_digits(value.low)}, {three_digits(value.high)})"
