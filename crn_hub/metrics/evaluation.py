"""`crn evaluate`: any number of models on the same rows of a data set, and what makes their numbers comparable."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from tqdm import tqdm

from crn_hub.classes import LayoutError
from crn_hub.data import PairDataset, check_columns, check_rows, find_classes, hold_out, load_splits, spread
from crn_hub.files import check_folder
from crn_hub.fingerprint import fingerprint
from crn_hub.hub.source import short_name
from crn_hub.metrics.measuring import ModelOnRows, Photographs, Pictures, measure_rows
from crn_hub.metrics.rows import Meter, Record
from crn_hub.metrics.summary import RESAMPLES, Summary, summarise
from crn_hub.networks.hub_model import HubModel
from crn_hub.segmentation import Segmenter, SmallSegmenter, load_segmenter
from crn_hub.vgg import load_features

VERSION = 1  # of the measures: after a change, records of before are those of another evaluation
OTHERS, PHOTOGRAPHS = "other photographs", "photographs"  # columns of the table beside the models
MEASURED = "measured"  # folder of the records
SMALLEST, CACHE_BYTES = 32, 2**30  # pixels of each side; decoded rows in memory
FEW_ROWS = 1000  # below which a note warns
CONFORMITY = ("counts", "perceptual", "share")  # parts of a record


@dataclass(frozen=True)
class Evaluation:
    """What came out.

    Attributes:
        data: the rows, at the size of the evaluation.
        facts: what the numbers depend on; plain JSON.
        notes: the same in sentences, for whoever compares the numbers with others.
        features: what reports call the feature network of the perceptual distance.
        models: each model with its measures.
        others: photographs of other rows with their measures; None if there are no other rows.
        photographs: the conformity of the recorded photographs themselves; None without a segmenter.
    """

    data: PairDataset
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
    columns: tuple[str, str] = ("image", "label"),
    classes: str | None = None,
    segmenter: str | None = None,
    perceptual_net: str = "vgg16",
    size: tuple[int, int] | None = None,
    max_rows: int | None = None,
    skip_bad_rows: bool = False,
) -> Evaluation:
    """Measures models on rows of a data set; the arguments are those of `crn evaluate`.

    Raises:
        FileNotFoundError, ConnectionError: a model, data set or network is not to be had.
        FileExistsError: `output` holds measurements of another evaluation.
        ValueError: anything else that is wrong with the arguments or the rows; one sentence.
    """
    check_folder("--output", output)
    once: dict[str, str] = {}
    for name in models:
        once.setdefault(os.path.realpath(name) if os.path.isdir(name) else name, name)
    networks = {name: HubModel.from_pretrained(None if name == "box" else name) for name in once.values()}
    size = _choose_size({name: network.size for name, network in networks.items()}, size)
    rows, others, split = _choose_rows(dataset, columns, split)
    class_set = find_classes(dataset, classes)
    finder = load_segmenter(segmenter, class_set) if segmenter is not None else None
    data = PairDataset(rows, class_set, size, *columns, cache_bytes=CACHE_BYTES)
    data.used = spread(len(rows), max_rows or len(rows))
    left_out = check_rows(data, skip_bad_rows)
    if len(data) < 2:
        raise ValueError(f"{dataset}: {len(data)} rows to evaluate on are too few; 2 are the least.")
    if all((data.decode(row)[1] >= len(class_set)).all() for row in data.used):
        raise ValueError(f"{dataset}: no pixel of the rows is labelled.")
    unseen = _other_rows(others, data)

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    features = load_features(perceptual_net)
    called = {"vgg16": "VGG-16", "vgg19": "VGG-19"}.get(perceptual_net, short_name(perceptual_net))
    meter = Meter(len(class_set), features, finder, device)
    photographs = Photographs(PHOTOGRAPHS, data)
    strangers = Photographs(OTHERS, unseen) if unseen is not None else None
    on_rows = [
        ModelOnRows(shown, None if name == "box" else Path(name), network.to(device), data.at_size(network.size), size)
        for shown, (name, network) in zip(_names([*networks]), networks.items(), strict=True)
    ]
    facts = {
        "version": VERSION,
        "columns": list(columns),
        "dataset": short_name(dataset),
        "hub_dataset": None if Path(dataset).exists() else dataset,
        "split": split,
        "rows": len(data),
        "rows_left_out": len(left_out),
        "rows_fingerprint": getattr(rows, "_fingerprint", ""),  # by the datasets library: changes with the contents
        "classes": class_set.to_list(),
        "size": list(size),
        "other_rows_fingerprint": getattr(others, "_fingerprint", ""),
        "feature_network": {
            "name": short_name(perceptual_net),
            "fingerprint": fingerprint(features, features.preprocessing),
        },
        "segmenter": _describe(finder),
        "inception": meter.inception is not None,
        "lpips": meter.lpips is not None,
    }
    sources: list[Pictures] = [photographs, *([strangers] if strangers else []), *on_rows]
    records = measure_rows(sources, data, meter, output / MEASURED, facts)
    recorded = records[photographs.key]
    bar = tqdm(on_rows, desc="intervals", unit="model")
    models_measured = [(model, summarise(records[model.key], recorded)) for model in bar]
    of_others = summarise(records[strangers.key], recorded) if strangers else None
    of_photographs = _conformity(recorded) if finder else None
    return Evaluation(
        data,
        facts,
        _notes(facts, called, meter, of_photographs),
        called,
        models_measured,
        of_others,
        of_photographs,
    )


def _choose_size(sizes: dict[str, tuple[int, int]], asked: tuple[int, int] | None) -> tuple[int, int]:
    """(height, width) of the evaluation: the one asked for, else that of the largest model."""
    height, width = asked or max(sizes.values(), key=lambda size: size[0] * size[1])
    if min(height, width) < SMALLEST:
        raise ValueError(f"size {height} x {width} (height x width): each side must be at least {SMALLEST} pixels.")
    for name, (of_model, across) in sizes.items():
        if of_model * width != across * height:
            raise ValueError(
                f"{name} makes images of {of_model} x {across} pixels (height x width), which differs in shape from "
                f"{height} x {width}: photographs would be cut differently; evaluate models of one shape together."
            )
    return height, width


def _choose_rows(dataset: str, columns: tuple[str, str], split: str | None) -> tuple[Any, Any, str]:
    """The rows to evaluate on, other rows (perhaps none), and what the split is called."""
    splits = load_splits(dataset)
    if split is None:
        others, rows, split = hold_out(dataset, splits, columns)
        return rows, others, split
    if split not in splits:
        raise ValueError(f"{dataset}: no split {split!r}; there are {', '.join(splits)}.")
    check_columns(dataset, splits[split], columns)
    others = [rows for name, rows in splits.items() if name != split and set(columns) <= set(rows.column_names)]
    return splits[split], max(others, key=len, default=splits[split].select([])), split


def _other_rows(rows: Any, data: PairDataset) -> PairDataset | None:
    """As many other rows as `data` has, spread evenly; None if there are not so many, or a bad one is among them."""
    if len(rows) < len(data):
        return None
    others = PairDataset(rows, data.classes, data.size, data.image_column, data.label_column, called="other row")
    others.used = spread(len(rows), len(data))
    try:
        others.check(tqdm(others.used, desc="checking other rows", unit="row"), skip_bad=False)
    except LayoutError:
        return None
    return others


def _names(models: list[str]) -> list[str]:
    """What reports call models: the last part of a folder's name, and as many more as tell it from the others.

    Raises:
        ValueError: if that is the name of another column.
    """
    names = [short_name(name) for name in models]
    for parts in range(2, 5):
        twins = {name for name in names if names.count(name) > 1}
        names = [
            "/".join(Path(model).resolve().parts[-parts:]) if name in twins else name
            for model, name in zip(models, names, strict=True)
        ]
    if taken := [name for name in names if name in (PHOTOGRAPHS, OTHERS)]:
        raise ValueError(f"{taken[0]}: a column of the table is called so; rename the model's folder.")
    return names


def _describe(segmenter: Segmenter | None) -> dict[str, Any] | None:
    if segmenter is None:
        return None
    return {
        "name": segmenter.name,
        "fingerprint": fingerprint(segmenter, [segmenter.classes.to_list(), segmenter.settings]),
        "training": segmenter.training_record if isinstance(segmenter, SmallSegmenter) else None,
        "parameters": sum(p.numel() for p in segmenter.parameters()),
        "unknown_classes": [n for n, known in zip(segmenter.classes.names, segmenter.known, strict=True) if not known],
    }


def _conformity(photographs: Sequence[Record]) -> Summary:
    """How well recorded photographs conform; of their distance from themselves there is nothing to say."""
    summary = summarise([{k: v for k, v in r.items() if k in CONFORMITY} for r in photographs], photographs)
    del summary.measures["perceptual"]
    return replace(summary, class_perceptual=np.full_like(summary.class_perceptual, np.nan))


def _notes(
    facts: dict[str, Any],
    features: str,
    meter: Meter,
    photographs: Summary | None,
) -> list[str]:
    """What one must know to compare the numbers with others."""
    count, (height, width) = facts["rows"], facts["size"]
    few = ""
    if count < FEW_ROWS:
        few = (
            f" {count} rows are few: neighbours among them are not independent, so the intervals are rather too narrow."
        )
    left_out = f", {facts['rows_left_out']} bad ones left out" if facts["rows_left_out"] else ""
    notes = [
        f"Data: {count} rows of {facts['dataset']} ({facts['split']}){left_out}, one image of each model per row; of a "
        f"model's k images each has its turn.{few}",
        f"Size: {width} x {height}. The largest part of each photograph with that shape, resized by Pillow's "
        "antialiased bicubic filter, its label map by nearest neighbour; outputs in 8 bits, those of another size "
        "resized by Lanczos' filter.",
        "Intervals: 95 %, the value plus and minus 1.96 standard deviations over "
        f"{RESAMPLES} resamples of the rows, cut at what is possible.",
        "Fréchet and kernel distances compare sets of pictures by the mean features of each. They depend on the "
        "feature network, the size and the number of rows, Fréchet's being the larger the fewer these are, and the "
        "kernel distance is that of all rows at once: compare within this table only.",
        f"Perceptual distance and distance between images: the loss's, on {features}, each layer counting alike; 1 is "
        "how far photographs are from those half the data further on, on average. It favours what was trained by it.",
    ]
    segmenter = facts["segmenter"]
    if segmenter is None or photographs is None:
        notes.append(
            "Conformity to the layout was not measured: it needs --segmenter, a network of crn train-segmenter or of "
            "transformers. Distances between sets by features that the loss does not know need it too."
        )
    else:
        counted, unknown = np.isfinite(cast(np.ndarray, photographs.class_iou)).sum(), segmenter["unknown_classes"]
        trained = ""
        record = segmenter["training"]
        with suppress(KeyError, TypeError, ValueError):  # of a file that somebody has changed
            trained = (
                f" It was trained on {record['rows']} rows of {record['dataset']}; on {record['validation']['rows']} "
                f"held-out ones, at its own size, its mIoU is {record['validation']['miou']:.3f}."
            )
        without = f", without {', '.join(unknown)}, which it does not know" if unknown else ""
        notes.append(
            f"mIoU and pixel accuracy: of the segmentation network {segmenter['name']} "
            f"({segmenter['parameters'] / 1e6:.1f} M parameters) on the pictures against the label maps, over the "
            f"{counted} classes that these have{without}. Unlabelled pixels do not count. On the photographs "
            f"themselves it has an mIoU of {photographs.measures['miou'].value:.3f}.{trained}"
        )
    if meter.inception is None:
        notes.append(f"FID and KID were not measured: Inception's weights could not be had ({meter.no_inception}).")
    if meter.lpips is None:
        notes.append(f"LPIPS was not measured: its weights could not be had ({meter.no_lpips}).")
    return notes
