"""Sentences on what one must know to compare the numbers of an evaluation with others."""

from contextlib import suppress
from typing import Any

import numpy as np

from crn_hub.data import collections_of
from crn_hub.data.known_collections import SOURCE_COLUMN
from crn_hub.metrics.appearance import HEIGHT
from crn_hub.metrics.joining import Joining
from crn_hub.metrics.meter import Meter
from crn_hub.metrics.summary import RESAMPLES, Summary

FEW_ROWS = 1000  # a note warns about fewer


def comparison_notes(
    facts: dict[str, Any], rows: Any, features: str, meter: Meter, photographs: Summary | None, joining: Joining
) -> list[str]:
    """
    Args:
        facts: what the numbers depend on; `Evaluation.facts`.
        rows: the data set's.
        features: the name of the feature network of the perceptual distance.
        meter: the networks that measured.
        photographs: the conformity of the recorded photographs themselves; None without a segmenter.
        joining: which classes count as one.
    """
    count, (height, width) = facts["rows"], facts["size"]
    left_out = f", {facts['rows_left_out']} bad ones left out" if facts["rows_left_out"] else ""
    few = (
        f" {count} rows are few, and neighbouring rows are not independent, so the intervals are rather too narrow."
        if count < FEW_ROWS
        else ""
    )
    notes = [
        f"Data: {count} rows of {facts['dataset']} ({facts['split']}){left_out}; one image of each model per row, "
        f"taking a model's k images in turn.{few}",
        f"Size: {width} x {height}. The largest crop of that shape from each photograph, resized by Pillow's "
        "antialiased bicubic filter, and its label map by nearest neighbour; outputs in 8 bits, resized by the Lanczos "
        "filter if they have another size.",
        "Intervals: 95 %, the value plus and minus 1.96 standard deviations over "
        f"{RESAMPLES} resamples of the rows, limited to possible values.",
        "Fréchet and kernel distances compare sets of pictures by the mean features of each picture. They depend on "
        "the feature network, the size and the number of rows (the fewer rows, the larger the Fréchet distance), and "
        "the kernel distance is computed over all rows at once: compare them within this table only.",
        f"Perceptual distance and distance between images: that of the loss, on {features}, with equal weight for each "
        "layer; 1 is the average distance between photographs half the data apart. It favours models trained with it.",
        "Contrast, colourfulness and brightness: ratios to the photographs' own, so 1 is alike. Contrast is the "
        "standard deviation of differences of Gaussians of the luma, whose sigma is given in pixels of a picture 256 "
        "high, from the finest details to shapes: fog lacks the fine ones, grain over fog the middle ones. "
        "Colourfulness is that of Hasler and Süsstrunk (2003), brightness the mean luma.",
        _conformity_note(facts["segmenter"], photographs),
    ]
    if height < HEIGHT:
        notes.append(
            f"A pixel of a picture {HEIGHT} high is {height / HEIGHT:.2g} pixels at this size, so bands below one "
            "pixel have next to nothing in them, and their ratios mean little."
        )
    if facts["part"] is None and len(sources := collections_of(rows)) > 1:
        names = " and ".join(source.name for source in sources)
        notes.append(f"The rows are of {names}; --apart {SOURCE_COLUMN} measures them apart.")
    if joining.parts:
        wholes = " and ".join(dict.fromkeys(name.partition(" + ")[0] for name in joining.counted if " + " in name))
        notes.append(
            f"{', '.join(joining.parts)} count as {wholes} in outputs and photographs, because not every network "
            "compared here tells them apart."
        )
    if meter.sees_textures:
        notes.append(
            "Texture distance: how far the segmenter's features within the regions of each class are from those in "
            "the photographs as distributions, wherever in the pictures they are (sliced Wasserstein distance); 1 is "
            "the distance between the first half of the photographs and the second, mostly of other places."
        )
    elif meter.segmenter is not None:
        notes.append("Texture distance was not measured: the segmenter's features are not maps.")
    if meter.inception is None:
        notes.append(f"FID and KID were not measured: Inception's weights could not be loaded ({meter.no_inception}).")
    if meter.lpips is None:
        notes.append(f"LPIPS was not measured: its weights could not be loaded ({meter.no_lpips}).")
    return notes


def _conformity_note(segmenter: dict[str, Any] | None, photographs: Summary | None) -> str:
    """How mIoU and pixel accuracy were measured, and how well the segmentation network does."""
    if segmenter is None or photographs is None:
        return (
            "Conformity to the layout was not measured: it needs --segmenter, a network made by crn train-segmenter or "
            "a checkpoint of transformers. So do distances between sets by features that the loss does not use."
        )
    counted, unknown = np.isfinite(photographs.of_classes["iou"]).sum(), segmenter["unknown_classes"]
    trained = ""
    record = segmenter["training"]
    with suppress(KeyError, TypeError, ValueError):  # the record may have been edited by hand
        trained = (
            f" It was trained on {record['rows']} rows of {record['dataset']}; on {record['validation']['rows']} "
            f"held-out ones, at its own size, its mIoU is {record['validation']['miou']:.3f}."
        )
    without = f", without {', '.join(unknown)}, which it does not know" if unknown else ""
    return (
        f"mIoU and pixel accuracy: by the segmentation network {segmenter['name']} "
        f"({segmenter['parameters'] / 1e6:.1f} M parameters), which labels the pictures, against the label maps, over "
        f"the {counted} classes in these{without}. Unlabelled pixels do not count. On the photographs themselves its "
        f"mIoU is {photographs.measures['miou'].value:.3f}.{trained}"
    )
