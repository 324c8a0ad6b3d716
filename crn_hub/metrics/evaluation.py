"""Evaluates any number of models on the same rows of a data set, with what makes their numbers comparable."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from crn_hub.box import BOX, resolve
from crn_hub.classes import UNLABELLED, ClassSet
from crn_hub.data import LabelReader, PairDataset, find_classes
from crn_hub.data_options import DataOptions
from crn_hub.files import check_folder
from crn_hub.fingerprint import fingerprint
from crn_hub.hub.source import short_name
from crn_hub.metrics.joining import Joining
from crn_hub.metrics.measuring import measure_rows
from crn_hub.metrics.meter import Meter, RowMeasurements
from crn_hub.metrics.notes import comparison_notes
from crn_hub.metrics.picture_sources import ModelOnRows, Photographs, PictureSource
from crn_hub.metrics.rows import check_parts, choose_rows
from crn_hub.metrics.summary import Summary, summarise
from crn_hub.networks import CRN, HubModel
from crn_hub.segmentation import Segmenter, SmallSegmenter, load_segmenter
from crn_hub.vgg import load_features

VERSION = 3  # of the measures; after a change, earlier measurements count as those of another evaluation
OTHERS, PHOTOGRAPHS = "other photographs", "photographs"  # columns of the table beside the models
MEASURED = "measured"  # folder of the saved measurements
SMALLEST = 32  # pixels of each side
CONFORMITY = ("counts", "perceptual", "share")  # keys of `RowMeasurements`


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation.

    Attributes:
        folder: where its files belong.
        data: the rows, at the size of the evaluation.
        facts: what the numbers depend on; plain JSON.
        notes: the same in sentences, for whoever compares the numbers with others.
        features: the name of the feature network of the perceptual distance in reports.
        models: each model with its measures.
        others: the measures of photographs of other rows; None if there are no other rows.
        photographs: the conformity of the recorded photographs themselves; None without a segmenter.
        joining: which classes count as one, because not all networks know both.
    """

    folder: Path
    data: PairDataset
    joining: Joining
    facts: dict[str, Any]
    notes: list[str]
    features: str
    models: list[tuple[ModelOnRows, Summary]]
    others: Summary | None
    photographs: Summary | None


def evaluate(
    models: Sequence[str],
    dataset: str,
    output: Path,
    *,
    split: str | None = None,
    options: DataOptions | None = None,
    segmenter: str | None = None,
    perceptual_net: str = "vgg16",
    size: tuple[int, int] | None = None,
    max_rows: int | None = None,
    apart: str | None = None,
    blind: int = 0,
) -> Iterator[Evaluation]:
    """Measures models on rows of a data set; the arguments are those of `crn evaluate`.

    Yields one evaluation, or with `apart` one for each value of that column. All rows are checked before any are
    measured.

    Raises:
        FileNotFoundError, ConnectionError: if a model, data set or network cannot be found or fetched.
        FileExistsError: if `output` holds measurements of another evaluation.
        ValueError: if anything else is wrong with the arguments or the rows; one sentence.
    """
    check_folder("--output", output)
    networks = _load_models(models)
    size = _choose_size({name: network.size for name, network in networks.items()}, size)
    options = options or DataOptions()
    chosen = choose_rows(dataset, options, split, apart)
    labels = LabelReader(find_classes(dataset, options), options)
    class_set = labels.classes
    labeller = load_segmenter(segmenter, class_set) if segmenter is not None else None
    parts = check_parts(chosen, labels, size, max_rows, options.skip_bad_rows, blind)
    for part in parts:
        check_folder("--output", output / part.folder)

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    features = {"vgg16": "VGG-16", "vgg19": "VGG-19"}.get(perceptual_net, short_name(perceptual_net))
    for part in parts:
        data = part.data
        meter = Meter(class_set, load_features(perceptual_net), labeller, device)
        on_rows = []
        for shown, (name, network) in zip(_display_names([*networks]), networks.items(), strict=True):
            of_network, folder = data.at_size(network.size), None if name == BOX else Path(resolve(name))
            on_rows.append(ModelOnRows(shown, folder, network.to(device), of_network, size))
            if isinstance(network, CRN) and network.region_colors:
                on_rows.append(ModelOnRows(f"{shown}, own colours", None, network, of_network, size, own_colors=True))
        joining = _join_classes(class_set, on_rows, labeller)
        facts = {"version": VERSION, **part.facts, **_describe_networks(meter, perceptual_net)}
        photographs = Photographs(PHOTOGRAPHS, data)
        others = Photographs(OTHERS, part.others) if part.others is not None else None
        sources: list[PictureSource] = [photographs, *([others] if others else []), *on_rows]
        measured = measure_rows(sources, data, meter, output / part.folder / MEASURED, facts)

        real = measured[photographs.key]
        bar = tqdm(on_rows, desc="intervals", unit="model")
        model_summaries = [(model, summarise(measured[model.key], real, joining)) for model in bar]
        conformity = _conformity(real, joining) if labeller else None
        yield Evaluation(
            output / part.folder,
            data,
            joining,
            facts,
            comparison_notes(facts, data.rows, features, meter, conformity, joining),
            features,
            model_summaries,
            summarise(measured[others.key], real, joining) if others else None,
            conformity,
        )


def _load_models(names: Sequence[str]) -> dict[str, HubModel]:
    """The models by name, each only once: two names may be the same folder."""
    distinct: dict[str, str] = {}
    for name in names:
        folder = resolve(name)
        distinct.setdefault(os.path.realpath(folder) if os.path.isdir(folder) else name, name)
    return {name: HubModel.from_pretrained(name) for name in distinct.values()}


def _choose_size(sizes: dict[str, tuple[int, int]], requested: tuple[int, int] | None) -> tuple[int, int]:
    """(height, width) of the evaluation: the requested one, or that of the largest model."""
    height, width = requested or max(sizes.values(), key=lambda size: size[0] * size[1])
    if min(height, width) < SMALLEST:
        raise ValueError(f"size {height} x {width} (height x width): each side must be at least {SMALLEST} pixels.")
    for name, (model_height, model_width) in sizes.items():
        if model_height * width != model_width * height:
            raise ValueError(
                f"{name} makes images of {model_height} x {model_width} pixels (height x width), which differs in "
                f"shape from {height} x {width}: photographs would be cropped differently; evaluate models of one "
                "shape together."
            )
    return height, width


def _join_classes(classes: ClassSet, models: Sequence[ModelOnRows], segmenter: Segmenter | None) -> Joining:
    """Parts that a model or the segmenter doesn't know count as their wholes for all: both sides are compared alike."""
    known = [*(model.known for model in models), *([segmenter.known] if segmenter is not None else [])]
    return Joining(classes, np.logical_and.reduce(known))


def _display_names(models: list[str]) -> list[str]:
    """The names of models in reports: the last part of each path, with as many parts before it as make it unique.

    Raises:
        ValueError: if a name is that of another column.
    """
    names = [short_name(name) for name in models]
    for parts in range(2, 5):
        twins = {name for name in names if names.count(name) > 1}
        names = [
            "/".join(Path(model).resolve().parts[-parts:]) if name in twins else name
            for model, name in zip(models, names, strict=True)
        ]
    if taken := [name for name in names if name in (PHOTOGRAPHS, OTHERS)]:
        raise ValueError(f"{taken[0]}: a column of the table has this name; rename the model's folder.")
    return names


def _describe_networks(meter: Meter, perceptual_net: str) -> dict[str, Any]:
    """The networks that the numbers depend on."""
    return {
        "feature_network": {
            "name": short_name(perceptual_net),
            "fingerprint": fingerprint(meter.features, meter.features.preprocessing),
        },
        "segmenter": _describe_segmenter(meter.segmenter),
        "inception": meter.inception is not None,
        "lpips": meter.lpips is not None,
    }


def _describe_segmenter(segmenter: Segmenter | None) -> dict[str, Any] | None:
    if segmenter is None:
        return None
    return {
        "name": segmenter.name,
        "fingerprint": fingerprint(segmenter, [segmenter.classes.to_list(), segmenter.settings]),
        "training": segmenter.training_record if isinstance(segmenter, SmallSegmenter) else None,
        "parameters": sum(p.numel() for p in segmenter.parameters()),
        "unknown_classes": [
            name
            for name, found in zip(segmenter.classes.names, segmenter.findable, strict=False)
            if found == UNLABELLED
        ],
    }


def _conformity(photographs: Sequence[RowMeasurements], joining: Joining) -> Summary:
    """How well recorded photographs conform to their layouts, without their distance from themselves, which is 0."""
    only_conformity = [{k: v for k, v in row.items() if k in CONFORMITY} for row in photographs]
    summary = summarise(only_conformity, photographs, joining)
    for of_itself in (summary.measures, summary.of_classes):
        del of_itself["perceptual"]
    return summary
