"""What `crn info` prints: a model on one screen.

In a terminal the classes have swatches; in a pipe the text is plain, with their colours in hex.
"""

import sys

from rich.color import Color
from rich.columns import Columns
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from crn_hub.box import BOX, MODEL_IN_THE_BOX
from crn_hub.classes import UNLABELLED, ClassSet
from crn_hub.hub.loading import WeightsFile
from crn_hub.hub.training_summary import Evaluated, TrainingSummary, summarise_training
from crn_hub.networks.hub_model import HubModel
from crn_hub.text import duration, number, one_line, three_digits

PIPE_WIDTH = 100  # columns if the output is not a terminal
PRECISIONS = {"F16": "float16", "BF16": "bfloat16", "F32": "float32"}
NAME_WIDTH = 20  # one long name must not make all classes a single column


def print_info(name: str | None, model: HubModel) -> None:
    """Prints a model to stdout: name, network, classes, training and licence.

    Args:
        name: where `model` came from, as for `HubModel.from_pretrained`; None for the model in the box.
        model: the loaded model.
    """
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, markup=False, highlight=False, emoji=False)
    training = summarise_training(model.training_record)
    with console.capture() as capture:
        console.print(Text(f"{BOX}: {MODEL_IN_THE_BOX.name}" if name is None else one_line(name), "bold"))
        _print_network(console, model, training)
        _print_classes(console, model.classes)
        _print_styles(console, model)
        _print_stages(console, training)
        for evaluation in training.evaluations:
            _print_evaluation(console, evaluation)
        weights = ", ".join(f"{layer} {weight:.4g}" for layer, weight in training.loss_weights.items())
        _print_pairs(console, [("loss weights", weights)])
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _print_network(console: Console, model: HubModel, training: TrainingSummary) -> None:
    height, width = model.size
    _print_pairs(
        console,
        [
            ("images", f"{width} x {height} pixels, {model.num_images} per layout (k)"),
            ("parameters", f"{model.num_parameters:,}"),
            ("arithmetic", f"{number(model.gflop)} GFLOP per layout (2 per multiply-add)"),
            ("network", model.TITLE),
            ("layers", ": ".join(model.layers)),
            ("system", training.system),
            ("weights", _weights(model.loaded_from)),
            ("licence", _licence(training)),
            ("data", training.dataset),
            *(("citation", citation) for citation in training.citations),
            ("origin", _origin(training)),
        ],
    )


def _print_classes(console: Console, classes: ClassSet) -> None:
    console.print(Text(f"\n{len(classes)} classes", "bold"))
    rows = [*enumerate(zip(classes.names, classes.colors, strict=True))]
    rows.append((UNLABELLED, ("unlabelled", classes.unlabelled_color)))
    # Sixteen colours would show different classes alike.
    has_colors = console.color_system in ("256", "truecolor") and not console.no_color
    cells = []
    for index, (label, color) in rows:
        text = Text(one_line(label))
        text.truncate(NAME_WIDTH, overflow="ellipsis")
        swatch = ("  ", Style(bgcolor=Color.from_rgb(*color))) if has_colors else f"#{bytes(color).hex()}"
        cells.append(Text.assemble(f"{index:>3} ", swatch, " ", text))
    console.print(Columns(cells, padding=(0, 2), column_first=True))


def _print_styles(console: Console, model: HubModel) -> None:
    styles = model.description.styles
    if not styles:
        return
    console.print(Text(f"\n{len(styles)} styles, the first by default", "bold"))
    looked_at = sum(style.photographs for style in styles)
    for index, style in enumerate(styles):
        share = f" ({style.photographs / looked_at:.0%} of the photographs are most like it)" if looked_at else ""
        console.print(Text(f"{index:>3} {one_line(style.name)}{share}"))


def _print_stages(console: Console, training: TrainingSummary) -> None:
    if not training.stages:
        return
    console.print(Text(f"\nTraining{f', {duration(training.hours)}' if training.hours else ''}", "bold"))
    hardware = {stage["hardware"] for stage in training.stages}
    shown = ["data", "image height", "steps", "epochs", "learning rate", "time", "validation loss"]
    shown += ["hardware"] if len(hardware) > 1 else []
    columns = [column for column in shown if any(stage[column] for stage in training.stages)]
    table = Table("stage", box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for column in columns:
        table.add_column(column, no_wrap=column not in ("data", "hardware"))
    for index, stage in enumerate(training.stages, 1):
        table.add_row(str(index), *(Text(stage[column]) for column in columns))
    console.print(table)
    _print_pairs(console, [("hardware", hardware.pop() if len(hardware) == 1 else "")])


def _print_evaluation(console: Console, evaluation: Evaluated) -> None:
    console.print(Text(f"\nEvaluation on {evaluation.title}", "bold"))
    table = Table.grid(padding=(0, 2, 0, 0))
    for measure in evaluation.measures:
        interval = f"({', '.join(map(three_digits, measure.interval))})" if measure.interval else ""
        table.add_row(Text(measure.name), three_digits(measure.value), interval)
    console.print(table)
    console.print()


def _print_pairs(console: Console, pairs: list[tuple[str, str]]) -> None:
    grid = Table.grid("", "", padding=(0, 2, 0, 0))
    for name, value in pairs:
        if value:
            grid.add_row(Text(f"{name:12}"), Text(value))
    console.print(grid)


def _weights(file: WeightsFile | None) -> str:
    """Precision and size of the weights' file."""
    if file is None:
        return ""
    return f"{', '.join(PRECISIONS.get(kind, kind) for kind in file.types)}, {number(file.size / 1e6)} MB"


def _licence(training: TrainingSummary) -> str:
    earlier = ", ".join(training.earlier_licenses)
    return (training.license or "not recorded") + (f"; of earlier stages: {earlier}" if earlier else "")


def _origin(training: TrainingSummary) -> str:
    if training.converted_from:
        return f"{'training started from weights ' if training.stages else ''}converted from {training.converted_from}"
    if training.unknown_start:
        return "training started from weights of which nothing is recorded"
    return "" if training.stages or training.dataset else "not recorded"
