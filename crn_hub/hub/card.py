"""The model card: README.md of a model folder, made from data (a description of the network, the training record).

The body is Markdown without HTML or CSS, because the Hub, GitHub and local viewers each strip a different part of
these: colours are small pictures in `swatches/`. Texts from outside (names of classes and data sets, values of
training.json) are escaped, and parts of training.json that have a wrong type are left out.
"""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from huggingface_hub import ModelCard
from PIL import Image

from crn_hub.classes import UNLABELLED, ClassSet
from crn_hub.classes.class_set import Color
from crn_hub.hub.front_matter import front_matter
from crn_hub.hub.model_folder import SAMPLES, STYLES, SWATCHES, TRAINING_RECORD
from crn_hub.hub.training_summary import Evaluated, TrainingSummary, summarise_training
from crn_hub.text import duration, number, one_line, three_digits

PAPER_URL = "https://arxiv.org/abs/1707.09405"


@dataclass(frozen=True)
class StyleDescription:
    """What a card says of one of the model's styles.

    Attributes:
        name: of the style.
        colors: the mean colour of each class, unlabelled last.
        photographs: how many photographs of the training data are most like it, of those looked at.
    """

    name: str
    colors: tuple[Color, ...]
    photographs: int


@dataclass(frozen=True)
class ModelDescription:
    """What a card says of a network.

    Attributes:
        loader: the class of the package that loads the model.
        title: what kind of network it is.
        paper: who described such networks, and the address of the paper.
        classes: the classes of the model.
        size: (height, width) of its images in pixels.
        layers: a heading for its layers, and these.
        num_images: k, images per layout.
        num_parameters: the number of its parameters.
        gflop: arithmetic for one layout, in 10^9 operations.
        inputs: what its channels of input are for.
        styles: the styles of the model, if it has any; the first is the default.
    """

    loader: str
    title: str
    paper: tuple[str, str]
    classes: ClassSet
    size: tuple[int, int]
    layers: tuple[str, str]
    num_images: int
    num_parameters: int
    gflop: float
    inputs: tuple[str, ...]
    styles: tuple[StyleDescription, ...] = ()

    @property
    def pixels(self) -> str:
        """The size as people write it, "512 x 256": width first."""
        return f"{self.size[1]} x {self.size[0]}"


def write_card(
    path: Path,
    model: ModelDescription,
    record: Mapping[str, Any],
    samples: Sequence[str] = (),
    repo_id: str | None = None,
) -> None:
    """Writes the card of one model. The palette shows the pictures that `write_swatches` makes beside it.

    Args:
        path: the README.md to write.
        model: what kind of network it is.
        record: its training record (`HubModel.training_record`); {} if unknown.
        samples: pictures to show, as paths relative to the card.
        repo_id: the model's name on the Hub, if it has one.

    Raises:
        OSError: if the card cannot be written.
    """
    training = summarise_training(record)
    yaml = front_matter(training, repo_id or f"{model.loader.lower()}-{model.size[0]}p", model.paper[1])
    sections = [
        f"---\n{yaml}\n---",
        *_opening(model, training),
        *_samples(samples, model),
        *_use(model, repo_id),
        *_classes(model.classes),
        *_styles(model),
        *_network(model),
        *_training(training),
        *_evaluations(training.evaluations),
        *_licence(training),
        *_citations(training.citations),
        *_limits(training.notes),
    ]
    text = "\n\n".join(sections) + "\n"
    path.write_text(f"{text}\n<!-- made by crn_hub {_checksum(text)} -->\n", encoding="utf-8")
    ModelCard.load(path)  # raises unless the front matter can be read


def write_swatches(folder: Path, model: ModelDescription) -> None:
    """Makes the folder `swatches` in `folder`, with rrggbb.png for each class colour, that of unlabelled, and the
    colours of styles.

    Each picture has 36 x 20 pixels.
    """
    (folder / SWATCHES).mkdir()
    of_styles = (color for style in model.styles for color in style.colors)
    for color in {*model.classes.colors, model.classes.unlabelled_color, *of_styles}:
        swatch = Image.new("RGB", (36, 20), (160, 160, 160))  # the rim keeps white visible on white
        swatch.paste(color, (1, 1, 35, 19))
        swatch.save(folder / SWATCHES / f"{_hex(color)}.png", optimize=True)


def is_unedited(path: Path) -> bool:
    """Whether a card is one that `write_card` made and nobody has changed since."""
    text, _, mark = path.read_text(encoding="utf-8", errors="replace").rpartition("\n<!-- made by crn_hub ")
    return mark == f"{_checksum(text)} -->\n"


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# -- sections, in their order on the card ------------------------------------------------------------


def _opening(model: ModelDescription, training: TrainingSummary) -> list[str]:
    photographs = f"{model.num_images} different photographs" if model.num_images > 1 else "a photograph"
    name, address = model.paper
    sections = [
        f"# {model.title[:1].upper()}{model.title[1:]}, {model.pixels}",
        f"A semantic layout with {len(model.classes)} classes in, {photographs} of {model.pixels} pixels out. "
        f"One feed-forward network after [{name}]({address}).",
    ]
    if training.system:
        sections.append(
            f"How it is trained is not that of [Chen and Koltun, 2017]({PAPER_URL}), the cascade with the perceptual "
            f"loss alone, but {escape(training.system)}."
        )
    return sections


def _samples(samples: Sequence[str], model: ModelDescription) -> list[str]:
    sections = ["## Samples"] if samples else []
    for sample in samples:
        caption = _caption(sample, model)
        sections += [f"![{caption}]({quote(os.fsencode(sample))})", f"*{caption}*"]
    return sections


def _caption(sample: str, model: ModelDescription) -> str:
    """What a picture in samples/ shows; held-out.png, loss-curves.png and styles.png come from training."""
    if sample == f"{SAMPLES}/loss-curves.png":
        return "The training loss and that of held-out rows, step by step, and the loss's terms."
    if sample == f"{SAMPLES}/{STYLES}" and model.styles:
        names = "; ".join(escape(style.name) for style in model.styles)
        return f"One layout in each row, and the network's photographs of it in the model's styles: {names}."
    if sample != f"{SAMPLES}/held-out.png":
        return escape(Path(sample).stem)
    k = model.num_images
    outputs = f"{k} photographs of the network" if k > 1 else "the network's photograph"
    return f"Layouts held out of training, one in each row: layout, {outputs}, recorded photograph."


def _use(model: ModelDescription, repo_id: str | None) -> list[str]:
    name = repo_id or "path/to/this/folder"
    stands_for = "" if repo_id else "; `path/to/this/folder` stands for the folder that holds this card"
    come_back = f"all {model.num_images} photographs come back" if model.num_images > 1 else "the photograph comes back"
    return [
        "## Use",
        f"With the Python package `crn_hub` installed{stands_for}:",
        f'```python\nfrom crn_hub import {model.loader}\n\nmodel = {model.loader}.from_pretrained("{name}")\n'
        'model.synthesize("layout.png")[0].save("photograph.png")\n```',
        "Or on the command line:",
        f"```bash\ncrn synthesize {name} layout.png --output photographs\n```",
        "A layout is a picture in the colours below, or one channel of ids with 255 for unlabelled, of any size; "
        f"{come_back} at the layout's own size.",
    ]


def _classes(classes: ClassSet) -> list[str]:
    rows = [
        [str(index), _swatch(color), escape(name), escape(", ".join(classes.aliases.get(name, ()))), escape(whole)]
        for index, (name, color) in enumerate(zip(classes.names, classes.colors, strict=True))
        for whole in [classes.part_of.get(name, "")]
    ]
    rows.append([str(UNLABELLED), _swatch(classes.unlabelled_color), "*unlabelled*", "", ""])
    columns = ["id", "colour", "name", "also known as", "part of"]
    shown = len(columns) if classes.part_of else len(columns) - 1
    return ["## Classes", markdown_table(columns[:shown], [row[:shown] for row in rows])]


def _styles(model: ModelDescription) -> list[str]:
    if not model.styles:
        return []
    names = [*model.classes.names, "unlabelled"]
    rows = [
        [escape(name), *(_swatch(color, with_hex=False) for color in colors)]
        for name, colors in zip(names, zip(*(style.colors for style in model.styles), strict=True), strict=True)
    ]
    rows.append(["photographs like it", *(str(style.photographs) for style in model.styles)])
    return [
        "## Styles",
        "A layout says neither the light nor the colours; a style does: the colours that the regions of each class "
        "have in one training photograph, or where it lacks a class, in one like it. Each large region of a layout "
        "gets a colour near these. `style=` with a name or a number from 0 chooses one, the first by default; `seed=` "
        "changes details and the colours of regions. On the command line these are `--style` and `--seed`. The mean "
        "colours of the classes:",
        markdown_table(["class", *(escape(style.name) for style in model.styles)], rows),
    ]


def _network(model: ModelDescription) -> list[str]:
    rows = [
        ["images", f"{model.pixels} pixels (width x height)"],
        ["images per layout (k)", str(model.num_images)],
        ["input channels", "; ".join(model.inputs)],
        ["parameters", f"{model.num_parameters:,}"],
        ["arithmetic", f"{number(model.gflop)} GFLOP per layout (2 per multiply-add)"],
        [*model.layers],
    ]
    return ["## Network", markdown_table(["property", "value"], rows)]


def _training(training: TrainingSummary) -> list[str]:
    origin = _origin(training)
    if not training.stages and not origin:
        return ["## Training", "How these weights came about is not recorded."]
    sentences = [*origin, *_extent(training), f"The whole record is in [{TRAINING_RECORD}]({TRAINING_RECORD})."]
    return [
        "## Training",
        " ".join(sentences),
        *_stages(training.stages),
        *_validation_loss(training),
        *_loss_weights(training),
        *_labels(training),
    ]


def _origin(training: TrainingSummary) -> list[str]:
    """Sentences on the data, and on the weights that training started from."""
    sentences = []
    if training.hub_dataset:
        name = escape(training.dataset or training.hub_dataset)
        sentences.append(f"Data: [{name}](https://huggingface.co/datasets/{training.hub_dataset}).")
    elif training.dataset:
        sentences.append(f"Data: {escape(training.dataset)}.")
    if training.converted_from and not training.stages:
        sentences.append(f"Converted from {escape(training.converted_from)}.")
    elif training.converted_from:
        sentences.append(f"Training started from weights converted from {escape(training.converted_from)}.")
    elif training.unknown_start:
        sentences.append("Training started from weights of which nothing is recorded.")
    return sentences


def _extent(training: TrainingSummary) -> list[str]:
    """Sentences on the number of stages and the time that they took."""
    sentences = []
    if len(training.stages) > 1:
        sentences.append(f"{len(training.stages)} stages, each starting from the weights of the one before.")
    if training.hours:
        sentences.append(f"Time in all: {duration(training.hours)}.")
    return sentences


def _stages(stages: list[dict[str, str]]) -> list[str]:
    """A table of what differs between the stages, and one of what all have in common."""
    names = [name for name in stages[0] if any(stage[name] for stage in stages)] if stages else []
    differing = [name for name in names if len({stage[name] for stage in stages}) > 1]
    tables = []
    if differing:
        head = ["", *(f"stage {n}" for n, _ in enumerate(stages, 1))]
        tables.append(markdown_table(head, [[name, *(escape(stage[name]) for stage in stages)] for name in differing]))
    if common := [[name, escape(stages[0][name])] for name in names if name not in differing]:
        tables.append(markdown_table(["in every stage" if differing else "setting or result", "value"], common))
    return tables


def _validation_loss(training: TrainingSummary) -> list[str]:
    if training.validation_loss is None:
        return []
    if training.loss_weights:
        return [
            "The validation loss is the training's perceptual loss on held-out rows; lower is better. Each run "
            "measures its loss weights anew, so the losses of two runs, or two stages, do not compare."
        ]
    return [
        "The validation loss is the training's own on held-out rows; it does not compare with that of other "
        "systems, and an adversary's part of it not even with itself at another step."
    ]


def _loss_weights(training: TrainingSummary) -> list[str]:
    if not training.loss_weights:
        return []
    rows = [[escape(layer), f"{weight:.4g}"] for layer, weight in training.loss_weights.items()]
    return [
        "### Loss weights",
        f"Those of the published checkpoint {escape(training.published_weights)}:"
        if training.published_weights
        else "Measured so that each term contributes equally:",
        markdown_table(["layer", "weight"], rows),
    ]


def _labels(training: TrainingSummary) -> list[str]:
    if not (labels := training.labels):
        return []
    ways = f", read as {escape(' and '.join(labels.read_as))}" if labels.read_as else ""
    whole = f" of {escape(labels.of_rows)}" if labels.of_rows != labels.rows else ""
    train, held_out = map(escape, training.splits)
    sentences = [f"What the labels of {escape(labels.rows)}{whole} rows were taken for{ways}."]
    if train and held_out:
        sentences.append(f"Trained on: {train}; held out: {held_out}.")
    rows = [[escape(name), f"{share:.2%}", escape(count)] for name, share, count in labels.classes]
    return [
        "### Labels",
        " ".join(sentences),
        markdown_table(["class", "share of the pixels", "rows"], rows),
        *(["\n".join(f"- {escape(note)}" for note in labels.notes)] if labels.notes else []),
    ]


def _evaluations(evaluations: list[Evaluated]) -> list[str]:
    sections = ["## Evaluation"] if evaluations else []
    for evaluation in evaluations:
        if len(evaluations) > 1:
            sections.append(f"### {escape(evaluation.title)}")
        sections += _evaluation(evaluation)
    return sections


def _evaluation(evaluation: Evaluated) -> list[str]:
    rows = [
        [
            escape(measure.name),
            three_digits(measure.value),
            " to ".join(map(three_digits, measure.interval or ())),
            "" if measure.of_photographs is None else three_digits(measure.of_photographs),
        ]
        for measure in evaluation.measures
    ]
    return [
        f"Measured by `crn evaluate` on {escape(evaluation.dataset) or 'data that are not recorded'}:",
        markdown_table(["measure", "value", "95 % interval", "of photographs"], rows),
        "\n".join(f"- {escape(note)}" for note in evaluation.notes),
    ]


def _licence(training: TrainingSummary) -> list[str]:
    if not training.license:
        sentences = [
            "No licence is recorded for the weights: ask those who publish them, and mind the terms of the data they "
            "were trained on."
        ]
    else:
        name = _license_name(training.license)
        sentences = [f"Licence of the weights: {name}; it follows from the data they were trained on."]
    if training.earlier_licenses:
        names = ", ".join(map(_license_name, training.earlier_licenses))
        sentences.append(f"Mind also the terms of the data of earlier stages: {names}.")
    return ["## Licence", " ".join([*sentences, "The code of `crn_hub` is under the MIT licence."])]


def _license_name(license: str) -> str:
    if parts := re.fullmatch(r"cc-(by[a-z-]*)-(\d\.\d)", license.lower()):
        return f"[CC {parts[1].upper()} {parts[2]}](https://creativecommons.org/licenses/{parts[1]}/{parts[2]}/)"
    return escape(license)


def _citations(citations: list[str]) -> list[str]:
    if not citations:
        return []
    return [
        "## Citations",
        "Whoever publishes what is made with these weights cites the data they were trained on:",
        "\n".join(f"- {escape(citation)}" for citation in citations),
    ]


def _limits(notes: str) -> list[str]:
    return [
        "## Limits",
        "The network knows the scenes it was trained on and no others: layouts of another kind of place, viewpoint or "
        "class balance give textures rather than photographs. Its images show nothing that exists; do not present "
        "them as photographs of real places or events.",
        *([escape(notes)] if notes else []),
    ]


# -- Markdown ----------------------------------------------------------------------------------------


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """A table; texts from outside must be escaped already."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def escape(text: str) -> str:
    """Makes Markdown show a text from outside as it is: on one line, without markup or HTML, within a table's cell."""
    text = re.sub(r"([\\`*_\[\]<>|~#&$])", r"\\\1", one_line(text))
    return re.sub(r"^\d*(?=[-+=.)]+(\s|$))", r"\g<0>\\", text)  # "1. x", "- x", "---": of a list, or a rule


def _hex(color: Sequence[int]) -> str:
    return bytes(color).hex()


def _swatch(color: Sequence[int], with_hex: bool = True) -> str:
    return f"![#{_hex(color)}]({SWATCHES}/{_hex(color)}.png)" + (f" `#{_hex(color)}`" if with_hex else "")
