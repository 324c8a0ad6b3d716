"""`crn train-segmenter`: photographs and their label maps -> a segmentation network."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from crn_hub.data_options import DataOptions
from crn_hub.files import check_new_folder
from crn_hub.memory import keep_freed_memory
from crn_hub.text import one_line


def train_segmenter(
    *,
    dataset: str,
    output: Path,
    size: tuple[int, int] = (192, 384),
    steps: Annotated[int, Parameter(validator=Number(gte=1))] = 1200,
    train_split: str | None = None,
    validation_split: str | None = None,
    options: Annotated[DataOptions, Parameter(name="*")] = DataOptions(),  # noqa: B008 - defaults for cyclopts
    seed: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    backbone: Literal["large", "small"] = "large",
) -> None:
    """Train a small segmentation network on your photographs, for crn evaluate and crn segment, in minutes on a CPU.

    Example: crn train-segmenter --dataset org/streets --output segmenter

    It is LR-ASPP on MobileNetV3, trained from scratch, so that it has nothing in common with the VGG of the loss. Its
    mIoU on held-out rows is printed and saved in OUTPUT/config.json.

    Parameters
    ----------
    dataset
        Hub id, folder or file of a data set (docs/data.md has all forms).
    output
        The folder for the network; it must be new or empty.
    size
        Height and width in pixels to which it resizes pictures.
    steps
        Optimiser steps of 8 photographs.
    train_split
        Split to train on; by default train, or the only one.
    validation_split
        Split that is held out; by default the first of validation, valid, val, dev and test that has labels, else the
        last rows of the split to train on.
    seed
        Seed of the initial weights, the order and the augmentation.
    backbone
        MobileNetV3-Large (3.2 million parameters with the rest) or -Small (1.1 million).
    """
    keep_freed_memory()
    from crn_hub.segmentation.segmenter_training import (  # takes seconds, and other commands don't need it
        make_segmenter,
    )
    from crn_hub.segmentation.segmenters import LARGE, SMALL

    check_new_folder("--output", output, "the network")
    splits, architecture = (train_split, validation_split), SMALL if backbone == "small" else LARGE
    scores = make_segmenter(dataset, options, splits, output, size, steps, seed, architecture)
    for name, iou in scores["class_iou"].items():
        print(f"{one_line(name):20} {'-' if iou is None else f'{iou:.3f}'}")
    print(f"mIoU {scores['miou']:.3f}, pixel accuracy {scores['pixel_accuracy']:.3f} on {scores['rows']} held-out rows")
    print(output)
