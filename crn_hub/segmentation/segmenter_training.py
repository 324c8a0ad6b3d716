"""Training of the small segmentation network on photographs and their label maps, in minutes on a CPU."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from tqdm import tqdm

from crn_hub.classes import UNLABELLED
from crn_hub.data import LabelReader, PairDataset, check_rows, describe_labels, find_classes, load_rows
from crn_hub.data_options import DataOptions
from crn_hub.hub.source import short_name
from crn_hub.pictures import to_255
from crn_hub.segmentation.agreement import class_iou, count_pixels, pixel_accuracy
from crn_hub.segmentation.segmenters import LARGE, Segmenter, SmallSegmenter

BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY = 8, 4e-3, 1e-2
WARM_UP = 0.1000001  # of the steps; with exactly 1/10 and ten steps, OneCycleLR divides by zero
SMALLEST_CROP = 0.35  # of the area
ASPECTS = (0.8, 1.25)  # range of the aspect ratio of crops, times the picture's
COLOR_JITTER = 0.3  # range of brightness, contrast and saturation, up and down
SMALLEST = 32  # pixels of each side
CACHE_BYTES = 2**31  # for decoded rows


def make_segmenter(
    dataset: str,
    options: DataOptions,
    splits: tuple[str | None, str | None],
    output: Path,
    size: tuple[int, int],
    steps: int,
    seed: int,
    architecture: str = LARGE,
) -> dict[str, Any]:
    """Trains a network on a data set and saves it in `output`; the arguments are those of `crn train-segmenter`.

    Prints what the labels were taken for.

    Returns:
        What `validate_segmenter` returns for the held-out rows.

    Raises:
        FileNotFoundError, ConnectionError: if the data set cannot be found or fetched.
        ValueError: if anything else is wrong with the data or the arguments; one sentence.
    """
    if min(size) < SMALLEST:
        raise ValueError(f"--size {size[0]} {size[1]}: each side must be at least {SMALLEST} pixels.")
    chosen = load_rows(dataset, options, None, *splits)
    labels, columns = LabelReader(find_classes(dataset, options), options), options.columns
    # Twice the size, so that crops are sharp.
    data = PairDataset(chosen.train, labels, (2 * size[0], 2 * size[1]), *columns, cache_bytes=CACHE_BYTES)
    held_out = PairDataset(chosen.held_out, labels, size, *columns, called="held-out row")
    surveys = []
    for part in (held_out, data):
        surveys.append(check_rows(part, options.skip_bad_rows).labels)
        if surveys[-1].shares[-1] == 1:
            raise ValueError(f"{dataset}: no pixel of the {part.called}s is labelled.")
    print("\n".join([*chosen.describe(), *describe_labels(surveys[1], surveys[0], size)]))
    output.mkdir(parents=True, exist_ok=True)  # if this fails, it should fail before the training
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        segmenter = SmallSegmenter(labels.classes, size, architecture=architecture)
    began = time.perf_counter()
    train_segmenter(segmenter, data, steps, seed, device)
    hours = (time.perf_counter() - began) / 3600
    scores = validate_segmenter(segmenter, held_out)
    segmenter.training_record = {
        "dataset": short_name(dataset),
        "rows": len(data),
        "steps": steps,
        "batch_size": BATCH_SIZE,
        "seed": seed,
        "hours": round(hours, 3),
        "validation": scores,
    }
    segmenter.save_pretrained(output)
    return scores


def train_segmenter(segmenter: SmallSegmenter, data: PairDataset, steps: int, seed: int, device: torch.device) -> None:
    """Trains the network in place: cross-entropy, AdamW, one cycle of the learning rate, random crops and colours.

    Classes are weighted by the inverse square root of their share of the pixels, so that small ones are learned too.

    Args:
        data: pairs in the classes of the segmenter, best at twice its size, so that crops are sharp.
        steps: optimiser steps of `BATCH_SIZE` pairs.
        seed: of the order and the augmentation.
        device: the device to train on; the network stays there.
    """
    network, n = segmenter.to(device).network.train(), len(segmenter.own_classes)
    weights = _class_weights(data, n).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, steps, pct_start=WARM_UP)
    aspect = segmenter.size[1] / segmenter.size[0]
    augment = v2.Compose(
        [
            v2.RandomResizedCrop(
                segmenter.size, (SMALLEST_CROP, 1.0), (ASPECTS[0] * aspect, ASPECTS[1] * aspect), antialias=True
            ),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(COLOR_JITTER, COLOR_JITTER, COLOR_JITTER),
        ]
    )
    rows: list[int] = []
    with torch.random.fork_rng(), tqdm(total=steps, desc="training the segmenter", unit="step") as bar:
        torch.manual_seed(seed)
        for _ in range(steps):
            photographs: list[Tensor] = []
            labels: list[Tensor] = []
            while len(labels) < BATCH_SIZE:
                rows = rows or torch.randperm(len(data)).tolist()
                pair = data[rows.pop()]
                photograph, ids = augment(tv_tensors.Image((pair["photograph"] + 1) / 2), tv_tensors.Mask(pair["ids"]))
                if (ids == UNLABELLED).all():  # nothing to learn from
                    continue
                photographs.append(photograph * 255)
                labels.append(ids.long())
            scores, _ = segmenter.scores_of_labels(torch.stack(photographs).to(device))
            scores = F.interpolate(scores, segmenter.size, mode="bilinear", align_corners=False)
            targets = torch.stack(labels).to(device)
            loss = F.cross_entropy(scores, targets, weights, ignore_index=UNLABELLED)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            bar.update()
            bar.set_postfix(loss=f"{loss.item():.3f}")
    network.eval()


def _class_weights(data: PairDataset, n: int) -> Tensor:
    """(n,): the inverse square root of each class's share of the pixels, 1 on average over pixels; 0 without pixels."""
    counts = np.zeros(n)
    for row in tqdm(data.used, desc="counting classes", unit="row"):
        counts += np.bincount(data.decode(row)[1].ravel(), minlength=256)[:n]
    share = counts / counts.sum()
    weights = np.divide(1, np.sqrt(share), out=np.zeros(n), where=share > 0)
    return torch.tensor(weights / (weights * share).sum(), dtype=torch.float32)


@torch.inference_mode()
def validate_segmenter(segmenter: Segmenter, data: PairDataset) -> dict[str, Any]:
    """Its measures on labelled photographs: {"miou", "pixel_accuracy", "class_iou", "rows"}; see `agreement`."""
    device, n, counts = segmenter.channels.device, len(data.classes), []
    for i in tqdm(range(len(data)), desc="validating the segmenter", unit="row"):
        pair = data[i]
        ids, _ = segmenter.label(to_255(pair["photograph"])[None].to(device))
        counts.append(count_pixels(ids[0].cpu().numpy(), pair["ids"].numpy(), n))
    found = class_iou(np.sum(counts, axis=0))
    return {
        "miou": float(np.nanmean(found)),
        "pixel_accuracy": float(pixel_accuracy(np.sum(counts, axis=0))),
        "class_iou": {
            name: None if np.isnan(iou) else float(iou) for name, iou in zip(data.classes.names, found, strict=True)
        },
        "rows": len(data),
    }
