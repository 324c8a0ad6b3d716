"""The model card: README.md of a model folder, made from data (classes, sizes, training record)."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from crn_hub.classes import ClassSet

PAPER_URL = "https://arxiv.org/abs/1707.09405"
CARD_METADATA: dict[str, Any] = {
    "library_name": "crn_hub",
    "pipeline_tag": "image-to-image",
    "tags": ("arxiv:1707.09405", "semantic-image-synthesis"),
}


def write_card(
    path: Path,
    classes: ClassSet,
    size: tuple[int, int],
    num_parameters: int,
    record: dict[str, Any],
    samples: Sequence[str] = (),
) -> None:
    """Writes the card of one model.

    Args:
        path: the README.md to write.
        classes: the classes of the model.
        size: (height, width) of its images in pixels.
        num_parameters: how many numbers its weights are.
        record: the training record (`CRN.training_record`); {} if unknown.
        samples: pictures to show, as paths relative to the card.
    """
    dataset = record.get("dataset")
    data = ModelCardData(
        **{**CARD_METADATA, "tags": list(CARD_METADATA["tags"])},
        license=record.get("license"),
        datasets=[record["hub_dataset"]] if record.get("hub_dataset") else None,
    )
    height, width = size
    sections = [
        f"---\n{data.to_yaml()}\n---",
        f"# Cascaded refinement network, {width} x {height}",
        f"A semantic layout with {len(classes)} classes goes in, a photograph of {width} x {height} pixels that "
        f"conforms to it comes out. One feed-forward network of {num_parameters / 1e6:.1f} M parameters after "
        f"[Chen and Koltun, 2017]({PAPER_URL}).",
    ]
    if samples:
        sections += ["## Samples", "Layout | output | photograph, on layouts that were held out of training."]
        sections += [f"![layout, output, photograph]({sample})" for sample in samples]
    sections += [
        "## Use",
        "```python\nfrom crn_hub import CRN\n\n"
        'model = CRN.from_pretrained("this folder, or its id on the Hub")\n'
        'model.synthesize("layout.png")[0].save("photograph.png")\n```',
        "A layout is a picture in the colours below, or one channel of ids with 255 for unlabelled.",
        "## Classes",
        "| id | name | colour | hex | also known as |\n|---|---|---|---|---|\n"
        + "\n".join(
            f"| {index} | {name} | {', '.join(map(str, color))} | `#{color[0]:02x}{color[1]:02x}{color[2]:02x}` "
            f"| {', '.join(classes.aliases.get(name, ()))} |"
            for index, (name, color) in enumerate(zip(classes.names, classes.colors, strict=True))
        ),
        "## Training",
    ]
    if record:
        stages = [record]
        while before := stages[0].get("started_from"):
            stages.insert(0, before)
        hours = sum(stage.get("result", {}).get("hours", 0) for stage in stages)
        sections.append(f"Data: {dataset}. {hours:.1f} hours in all. The whole record is in `training.json`.")
        sections.append(_table([{**stage.get("settings", {}), **stage.get("result", {})} for stage in stages]))
        if record.get("loss_weights"):
            sections.append("Weights of the loss terms, measured so that each term contributes equally at the start:")
            sections.append(
                "| layer | weight |\n|---|---|\n"
                + "\n".join(f"| {layer} | {weight:.4g} |" for layer, weight in record["loss_weights"].items())
            )
    else:
        sections.append("How these weights came about is not recorded.")
    sections += [
        "## Limits",
        "The network knows the scenes it was trained on and no others: layouts of another kind of place, viewpoint or "
        "class balance give textures rather than photographs. Its images show nothing that exists; do not present "
        "them as photographs of real places or events.",
    ]
    if notes := record.get("notes"):
        sections.append(str(notes))
    text = "\n\n".join(sections) + "\n"
    path.write_text(f"{text}\n<!-- made by crn_hub {_fingerprint(text)} -->\n", encoding="utf-8")
    ModelCard.load(path)  # the front matter reads back, or this raises


def is_unedited(path: Path) -> bool:
    """Whether a card is one that `write_card` made and nobody has changed since."""
    text, _, mark = path.read_text(encoding="utf-8", errors="replace").rpartition("\n<!-- made by crn_hub ")
    return mark == f"{_fingerprint(text)} -->\n"


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _table(stages: list[dict[str, Any]]) -> str:
    """One row per setting, one column per stage of growing; settings that no stage has are left out."""
    keys = [key for key in dict.fromkeys(key for stage in stages for key in stage) if any(s.get(key) for s in stages)]
    head = "| | |" if len(stages) == 1 else f"| | {' | '.join(f'stage {n}' for n, _ in enumerate(stages, 1))} |"
    rows = [f"| {key} | {' | '.join(_cell(stage.get(key)) for stage in stages)} |" for key in keys]
    return "\n".join([head, "|---" * (len(stages) + 1) + "|", *rows])


def _cell(value: Any) -> str:
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")
