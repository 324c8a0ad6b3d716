"""The model card: README.md of a model folder, made from data (classes, sizes, training record).

The front matter follows https://huggingface.co/docs/hub/model-cards. The body is Markdown without HTML or CSS, because
the Hub, GitHub and local viewers each strip a different part of these: colours are small pictures in `swatches/`.
Texts from outside (names of classes and data sets, values of training.json) are escaped, and parts of training.json
that have a wrong type are left out.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from PIL import Image

from crn_hub.classes import UNLABELLED, ClassSet
from crn_hub.hub.training_record import TrainingSummary, slug, summarise_training
from crn_hub.text import duration, number, one_line, three_digits

PAPER_URL = "https://arxiv.org/abs/1707.09405"
CARD_METADATA: dict[str, Any] = {
    "library_name": "crn_hub",
    "pipeline_tag": "image-to-image",
    "tags": ("arxiv:1707.09405", "semantic-image-synthesis"),
}
SWATCHES = f"swatches/{'[0-9a-f]' * 6}.png"  # pattern: one per colour, named by it

# What the Hub accepts as `license` (https://huggingface.co/docs/hub/repositories-licenses); all else is "other".
HUB_LICENSES = frozenset(
    """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
    afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
    cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
    cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0
    lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl
    openmdw-1.0 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license
    fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 gemma unknown other
    """.split()  # noqa: SIM905 - ninety quoted strings read worse
)


def write_card(
    path: Path,
    *,
    loader: str,
    title: str,
    paper: tuple[str, str],
    classes: ClassSet,
    size: tuple[int, int],
    layers: tuple[str, str],
    num_images: int,
    num_parameters: int,
    gflop: float,
    record: dict[str, Any],
    samples: Sequence[str] = (),
    repo_id: str | None = None,
) -> None:
    """Writes the card of one model. The palette shows the pictures that `write_swatches` makes beside it.

    Args:
        path: the README.md to write.
        loader: the class of the package that loads the model.
        title: what kind of network it is.
        paper: who described such networks, and where.
        classes: the classes of the model.
        size: (height, width) of its images in pixels.
        layers: a heading for its layers, and these.
        num_images: k, images per layout.
        num_parameters: how many numbers its weights are.
        gflop: arithmetic for one layout, in 10^9 operations.
        record: the training record (`HubModel.training_record`); {} if unknown.
        samples: pictures to show, as paths relative to the card.
        repo_id: the model's name on the Hub, if it has one.

    Raises:
        OSError: if the card cannot be written.
    """
    training = summarise_training(record)
    height, width = size
    pixels = f"{width} x {height}"
    model = repo_id or "path/to/this/folder"
    sections = [
        f"---\n{_front_matter(training, repo_id or f'{loader.lower()}-{height}p', paper[1])}\n---",
        f"# {title[:1].upper()}{title[1:]}, {pixels}",
        f"A semantic layout with {len(classes)} classes in, "
        + (f"{num_images} different photographs" if num_images > 1 else "a photograph")
        + f" of {pixels} pixels out. One feed-forward network after [{paper[0]}]({paper[1]}).",
    ]
    if training.system:
        sections.append(
            f"One of the systems to compare with that of [Chen and Koltun, 2017]({PAPER_URL}): "
            f"{escape(training.system)}."
        )
    if samples:
        sections.append("## Samples")
        for sample in samples:
            sections += [
                f"![{_caption(sample, num_images)}]({quote(os.fsencode(sample))})",
                f"*{_caption(sample, num_images)}*",
            ]
    sections += [
        "## Use",
        "With the Python package `crn_hub` installed"
        + (":" if repo_id else "; `path/to/this/folder` stands for the folder that holds this card:"),
        f'```python\nfrom crn_hub import {loader}\n\nmodel = {loader}.from_pretrained("{model}")\n'
        'model.synthesize("layout.png")[0].save("photograph.png")\n```',
        "Or on the command line:",
        f"```bash\ncrn synthesize {model} layout.png --output photographs\n```",
        "A layout is a picture in the colours below, or one channel of ids with 255 for unlabelled, of any size; "
        + (f"all {num_images} photographs come" if num_images > 1 else "the photograph comes")
        + " back at the layout's own size.",
        "## Classes",
        markdown_table(
            ["id", "colour", "name", "also known as"],
            [
                *(
                    [str(index), _swatch(color), escape(name), escape(", ".join(classes.aliases.get(name, ())))]
                    for index, (name, color) in enumerate(zip(classes.names, classes.colors, strict=True))
                ),
                [str(UNLABELLED), _swatch(classes.unlabelled_color), "*unlabelled*", ""],
            ],
        ),
        "## Network",
        markdown_table(
            ["property", "value"],
            [
                ["images", f"{pixels} pixels (width x height)"],
                ["images per layout (k)", str(num_images)],
                ["input channels", f"{len(classes) + 1}: one per class, one for unlabelled"],
                ["parameters", f"{num_parameters:,}"],
                ["arithmetic", f"{number(gflop)} GFLOP per layout (2 per multiply-add)"],
                [*layers],
            ],
        ),
        "## Training",
        *_training_sections(training),
        *_evaluation_sections(training),
        "## Licence",
        f"{_license_sentence(training.license)} The code of `crn_hub` is under the MIT licence.",
        "## Limits",
        "The network knows the scenes it was trained on and no others: layouts of another kind of place, viewpoint or "
        "class balance give textures rather than photographs. Its images show nothing that exists; do not present "
        "them as photographs of real places or events.",
    ]
    if training.notes:
        sections.append(escape(training.notes))
    text = "\n\n".join(sections) + "\n"
    path.write_text(f"{text}\n<!-- made by crn_hub {_fingerprint(text)} -->\n", encoding="utf-8")
    ModelCard.load(path)  # the front matter reads back, or this raises


def write_swatches(folder: Path, classes: ClassSet) -> None:
    """Writes swatches/rrggbb.png into `folder` for each class colour and that of unlabelled; 36 x 20 pixels each."""
    (folder / SWATCHES).parent.mkdir()
    for color in (*classes.colors, classes.unlabelled_color):
        swatch = Image.new("RGB", (36, 20), (160, 160, 160))  # the rim keeps white visible on white
        swatch.paste(color, (1, 1, 35, 19))
        swatch.save(folder / f"swatches/{_hex(color)}.png", optimize=True)


def is_unedited(path: Path) -> bool:
    """Whether a card is one that `write_card` made and nobody has changed since."""
    text, _, mark = path.read_text(encoding="utf-8", errors="replace").rpartition("\n<!-- made by crn_hub ")
    return mark == f"{_fingerprint(text)} -->\n"


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# -- parts of the card -------------------------------------------------------------------------------


def _front_matter(training: TrainingSummary, model_name: str, paper: str) -> str:
    license_id, license_name = training.license.lower(), None
    if license_id and license_id not in HUB_LICENSES:
        license_id, license_name = "other", slug(license_id)
    results = []
    if training.validation_loss is not None and training.dataset:
        results.append(
            EvalResult(
                task_type="image-to-image",
                dataset_name=training.dataset,
                dataset_type=training.hub_dataset or slug(training.dataset),
                metric_type="loss",
                metric_name="Calibrated perceptual loss on held-out rows (lower is better; comparable only between "
                "runs with the same loss weights)"
                if training.loss_weights
                else "Training loss on held-out rows (lower is better; comparable only between runs of one system)",
                metric_value=float(f"{training.validation_loss:.4g}"),
            )
        )
    results += [
        EvalResult(
            task_type="image-to-image",
            dataset_name=training.evaluated_on,
            dataset_type=training.evaluated_hub_dataset or slug(training.evaluated_on),
            dataset_split=training.evaluated_split or None,
            metric_type=measure.type,
            metric_name=measure.name,
            metric_value=float(f"{measure.value:.4g}"),
            metric_args=measure.conditions or None,
        )
        for measure in training.measures
        if training.evaluated_on
    ]
    data = ModelCardData(
        **{**CARD_METADATA, "tags": list(dict.fromkeys([*CARD_METADATA["tags"], *_paper_tags(paper)]))},
        license=license_id or None,
        license_name=license_name,
        datasets=[training.hub_dataset] if training.hub_dataset else None,
        model_name=model_name if results else None,
        eval_results=results or None,
    )
    return str(data.to_yaml())


def _paper_tags(address: str) -> list[str]:
    """How the Hub links a paper on arXiv."""
    number = address.removeprefix("https://arxiv.org/abs/")
    return [f"arxiv:{number}"] if number != address else []


def _training_sections(training: TrainingSummary) -> list[str]:
    stages = training.stages
    sentences = []
    if training.hub_dataset:
        name = escape(training.dataset or training.hub_dataset)
        sentences.append(f"Data: [{name}](https://huggingface.co/datasets/{training.hub_dataset}).")
    elif training.dataset:
        sentences.append(f"Data: {escape(training.dataset)}.")
    if training.converted_from and not stages:
        sentences.append(f"Converted from {escape(training.converted_from)}.")
    elif training.converted_from:
        sentences.append(f"Training started from weights converted from {escape(training.converted_from)}.")
    elif training.unknown_start:
        sentences.append("Training started from weights of which nothing is recorded.")
    if not stages and not sentences:
        return ["How these weights came about is not recorded."]
    if len(stages) > 1:
        sentences.append(f"{len(stages)} stages, each starting from the weights of the one before.")
    if training.hours:
        sentences.append(f"Time in all: {duration(training.hours)}.")
    sections = [" ".join([*sentences, "The whole record is in [training.json](training.json)."])]
    names = [name for name in stages[0] if any(stage[name] for stage in stages)] if stages else []
    differing = [name for name in names if len({stage[name] for stage in stages}) > 1]
    if differing:
        head = ["", *(f"stage {n}" for n, _ in enumerate(stages, 1))]
        sections.append(
            markdown_table(head, [[name, *(escape(stage[name]) for stage in stages)] for name in differing])
        )
    if common := [[name, escape(stages[0][name])] for name in names if name not in differing]:
        sections.append(markdown_table(["in every stage" if differing else "setting or result", "value"], common))
    if training.validation_loss is not None:
        sections.append(
            "The validation loss is the training's perceptual loss on held-out rows; lower is better. Each run "
            "measures its loss weights anew, so the losses of two runs, or two stages, do not compare."
            if training.loss_weights
            else "The validation loss is the training's own on held-out rows; it does not compare with that of other "
            "systems, and an adversary's part of it not even with itself at another step."
        )
    if training.loss_weights:
        sections += [
            "### Loss weights",
            f"Those of the published checkpoint {escape(training.published_weights)}:"
            if training.published_weights
            else "Measured so that each term contributes equally:",
            markdown_table(
                ["layer", "weight"],
                [[escape(layer), f"{weight:.4g}"] for layer, weight in training.loss_weights.items()],
            ),
        ]
    return sections


def _evaluation_sections(training: TrainingSummary) -> list[str]:
    if not training.measures:
        return []
    rows = [
        [
            escape(measure.name),
            three_digits(measure.value),
            " to ".join(map(three_digits, measure.interval or ())),
            "" if measure.of_photographs is None else three_digits(measure.of_photographs),
        ]
        for measure in training.measures
    ]
    return [
        "## Evaluation",
        f"Measured by `crn evaluate` on {escape(training.evaluated_on) or 'data that are not recorded'}:",
        markdown_table(["measure", "value", "95 % interval", "of photographs"], rows),
        "\n".join(f"- {escape(note)}" for note in training.evaluation_notes),
    ]


def _license_sentence(license: str) -> str:
    if not license:
        return (
            "No licence is recorded for the weights: ask those who publish them, and mind the terms of the data they "
            "were trained on."
        )
    name = escape(license)
    if parts := re.fullmatch(r"cc-(by[a-z-]*)-(\d\.\d)", license.lower()):
        name = f"[CC {parts[1].upper()} {parts[2]}](https://creativecommons.org/licenses/{parts[1]}/{parts[2]}/)"
    return f"Licence of the weights: {name}; it follows from the data they were trained on."


def _caption(sample: str, num_images: int) -> str:
    """What a picture in samples/ shows; held-out.png and loss-curves.png are what training leaves."""
    if sample == "samples/loss-curves.png":
        return "The training loss and that of held-out rows, step by step, and the loss's terms."
    if sample != "samples/held-out.png":
        return escape(Path(sample).stem)
    outputs = f"{num_images} photographs of the network" if num_images > 1 else "the network's photograph"
    return f"Layouts held out of training, one in each row: layout, {outputs}, recorded photograph."


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def escape(text: str) -> str:
    """A text from outside so that Markdown shows it as it is: on one line, no markup, no HTML, no end of a cell."""
    text = re.sub(r"([\\`*_\[\]<>|~#&$])", r"\\\1", one_line(text))
    return re.sub(r"^\d*(?=[-+=.)]+(\s|$))", r"\g<0>\\", text)  # "1. x", "- x", "---": of a list, or a rule


def _hex(color: Sequence[int]) -> str:
    return bytes(color).hex()


def _swatch(color: Sequence[int]) -> str:
    return f"![#{_hex(color)}](swatches/{_hex(color)}.png) `#{_hex(color)}`"
