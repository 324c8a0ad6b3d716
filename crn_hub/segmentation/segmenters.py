"""Segmentation networks behind one interface: small ones trained here from scratch, and checkpoints of transformers.

The small ones are LR-ASPP on MobileNetV3 (Howard et al., "Searching for MobileNetV3", ICCV 2019), torchvision's
implementation without its weights, so they have nothing in common with the VGG of the perceptual loss.
"""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from crn_hub.box import resolve_segmenter
from crn_hub.classes import UNLABELLED, ClassSet
from crn_hub.files import appearing_in
from crn_hub.hub.client_errors import client_error, reason
from crn_hub.hub.source import TEXT_BYTES, Source, short_name
from crn_hub.pictures import from_255
from crn_hub.text import clause, some

if TYPE_CHECKING:
    from torchvision.models.segmentation import LRASPP

CONFIG, WEIGHTS, MAX_BYTES = "config.json", "model.safetensors", 2**26  # the small network has 13 MB
# The small networks by their names in config.json: the backbone, which of its layers have features of 1/8 and 1/16 of
# the size, and their numbers of channels. The former is torchvision's `lraspp_mobilenet_v3_large`.
NETWORKS = {
    "lraspp_mobilenet_v3_large": ("mobilenet_v3_large", {"4": "low", "16": "high"}, (40, 960)),
    "lraspp_mobilenet_v3_small": ("mobilenet_v3_small", {"2": "low", "12": "high"}, (24, 576)),
}
LARGE, SMALL = NETWORKS
MASKS_OF_QUERIES = ("mask2former", "maskformer")  # model types that predict masks, each with a class
NORM_MOMENTUM = 0.1  # torchvision's 0.01 suits training for many thousands of steps


def _lr_aspp(architecture: str, num_classes: int) -> "LRASPP":
    """One of `NETWORKS`, with fresh weights."""
    from torchvision import models  # takes a second, for which training with other losses need not wait
    from torchvision.models._utils import IntermediateLayerGetter
    from torchvision.models.segmentation import LRASPP

    name, layers, channels = NETWORKS[architecture]
    backbone = IntermediateLayerGetter(getattr(models, name)(weights=None, dilated=True).features, return_layers=layers)
    return LRASPP(backbone, *channels, num_classes=num_classes)


class Segmenter(nn.Module, ABC):
    """The interface of all segmentation networks.

    Args:
        name: its name in reports.
        classes: the classes of its output.
        ids: for each of the network's own labels the id in `classes`, 255 for a label that is none of them.
        settings: what its output depends on besides weights and `ids`; plain JSON.
    """

    channels: Tensor

    def __init__(self, name: str, classes: ClassSet, ids: np.ndarray, settings: Any):
        super().__init__()
        self.name, self.classes, self.settings = name, classes, [ids.tolist(), settings]
        self.known = [index in ids for index in range(len(classes))]  # for each class, whether it can be found
        # uint8 (256,): for each id the class as which it can be found: itself, or the one that it is part of.
        self.findable = classes.nearest_wholes(self.known)
        channels = np.where(ids == UNLABELLED, len(classes), ids).astype(np.int64)
        self.register_buffer("channels", torch.from_numpy(channels), persistent=False)
        if not any(self.known):
            raise ValueError(f"{name}: none of its labels is one of the classes {some(classes.names)}.")

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """RGB (B, 3, H, W) on the 0..255 scale -> scores (B, n + 1, H, W) and features (B, C).

        The last channel of the scores is for labels of no class; classes that the network cannot find have -inf.
        If several labels are one class, its score is the highest of theirs. Features are means over the picture.
        """
        scores, features = self.scores_of_labels(images)
        scores = F.interpolate(scores, images.shape[-2:], mode="bilinear", align_corners=False)
        shape = (len(scores), len(self.classes) + 1, *images.shape[-2:])
        of_classes = torch.full(shape, -torch.inf, device=scores.device, dtype=scores.dtype)
        channels = self.channels[:, None, None].expand_as(scores)
        return of_classes.scatter_reduce(1, channels, scores, "amax"), features

    @abstractmethod
    def scores_of_labels(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """RGB (B, 3, H, W) on the 0..255 scale -> scores of its own labels (B, labels, h, w), features (B, C)."""

    @abstractmethod
    def feature_maps(self, images: Tensor) -> list[Tensor]:
        """RGB (B, 3, H, W) on the 0..255 scale -> features (B, C, h, w), the last of each size, from large to small.

        Empty for networks whose features are not maps.
        """

    def label(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """RGB (B, 3, H, W) on the 0..255 scale -> ids uint8 (B, H, W), 255 for no class; features (B, C)."""
        scores, features = self(images)
        best = scores.argmax(dim=1)
        return best.masked_fill(best == len(self.classes), UNLABELLED).byte(), features


class SmallSegmenter(Segmenter):
    """LR-ASPP on MobileNetV3-Large, 3.2 M parameters, or -Small, 1.1 M, which resizes pictures to one size.

    Args:
        own_classes: the classes it is trained for.
        size: (height, width) in pixels to which pictures are resized.
        classes: the classes of its output, matched by name; its own by default.
        name: its name in reports.
        training: a record of its training, plain JSON, with the result of `validate_segmenter` as "validation".
        architecture: one of `NETWORKS`.
    """

    def __init__(
        self,
        own_classes: ClassSet,
        size: tuple[int, int],
        classes: ClassSet | None = None,
        name: str = "",
        training: dict[str, Any] | None = None,
        architecture: str = LARGE,
    ):
        classes = classes or own_classes
        super().__init__(name, classes, own_classes.translation_to(classes)[: len(own_classes)], list(size))
        self.own_classes, self.size, self.training_record = own_classes, size, training or {}
        self.architecture = architecture
        self.network = _lr_aspp(architecture, len(own_classes))
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = NORM_MOMENTUM

    def scores_of_labels(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.network.backbone(self._input(images))
        return self.network.classifier(features), features["high"].mean(dim=(2, 3))

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        maps = [self._input(images)]
        for layer in self.network.backbone.values():
            maps.append(layer(maps[-1]))
        return _last_of_each_size(maps[1:])

    def _input(self, images: Tensor) -> Tensor:
        """RGB (B, 3, H, W) on the 0..255 scale, resized to the network's size, -1..1."""
        if tuple(images.shape[-2:]) != tuple(self.size):
            images = F.interpolate(images, self.size, mode="bilinear", align_corners=False, antialias=True)
        return from_255(images)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Writes config.json and model.safetensors, which appear whole or not at all."""
        config = {
            "architecture": self.architecture,
            "classes": self.own_classes.to_list(),
            "size": list(self.size),
            "training": self.training_record,
        }
        tensors = {k: v.contiguous().cpu() for k, v in self.network.state_dict().items()}
        with appearing_in(Path(folder)) as draft:
            save_file(tensors, draft / WEIGHTS, {"format": "pt"})
            (draft / CONFIG).write_text(json.dumps(config, indent=2), encoding="utf-8")


class TransformersSegmenter(Segmenter):
    """A checkpoint of the transformers library for semantic or universal segmentation, with its own preprocessing.

    Labels are matched to classes by name and alias.
    """

    def __init__(self, name: str, classes: ClassSet, network: Any, processor: Any):
        labels = network.config.id2label
        # Some checkpoints give several names in one label: "building, edifice" or "car;auto".
        ids = [classes.find_name(*map(str.strip, labels[i].replace(";", ",").split(","))) for i in sorted(labels)]
        super().__init__(name, classes, np.array(ids), processor.to_dict())
        self.network, self.processor = network, processor
        if getattr(processor, "do_center_crop", False):
            processor.do_center_crop = False  # the whole picture is labelled

    def scores_of_labels(self, images: Tensor) -> tuple[Tensor, Tensor]:
        inputs, given = self._run(images)
        if "logits" in given:
            scores, last = given.logits, given.hidden_states[-1]
        else:  # masks of queries, each with scores of classes and "none": Cheng et al., NeurIPS 2021, section 3.4
            classes, masks = given.class_queries_logits.softmax(dim=-1)[..., :-1], given.masks_queries_logits.sigmoid()
            scores, last = torch.einsum("bqc,bqhw->bchw", classes, masks), given.encoder_last_hidden_state
        # (B, C, h, w) from convolutions, (B, tokens, C) from some transformers
        return _without_padding(scores, inputs), last.mean(dim=(2, 3)) if last.ndim == 4 else last.mean(dim=1)

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        inputs, given = self._run(images)
        features = given.hidden_states if "logits" in given else given.encoder_hidden_states
        return _last_of_each_size([_without_padding(f, inputs) for f in features or () if f.ndim == 4])

    def _run(self, images: Tensor) -> tuple[Any, Any]:
        """What the network was given, and what it gives."""
        # Pictures are rounded to 8 bits as in their files, but a gradient needs values in between.
        pictures = list(images if images.requires_grad else images.round().clamp(0, 255).byte().cpu())
        inputs = self.processor(images=pictures, return_tensors="pt", input_data_format="channels_first")
        inputs = inputs.to(images.device)
        return inputs, self.network(**inputs, output_hidden_states=True)


def _without_padding(maps: Tensor, inputs: Any) -> Tensor:
    """Maps (B, C, h, w) of pictures that some processors pad on the right and below."""
    if "pixel_mask" not in inputs:
        return maps
    inside = inputs["pixel_mask"][0].float()
    height, width = (round(n * inside.amax(dim=d).mean().item()) for n, d in zip(maps.shape[-2:], (1, 0), strict=True))
    return maps[..., :height, :width]


def _last_of_each_size(maps: Sequence[Tensor]) -> list[Tensor]:
    return [
        one
        for one, after in zip(maps, [*maps[1:], None], strict=True)
        if after is None or one.shape[-2:] != after.shape[-2:]
    ]


def load_segmenter(name: str, classes: ClassSet | None) -> Segmenter:
    """A segmentation network made by `crn train-segmenter`, or a checkpoint of the transformers library.

    Args:
        name: a folder, a Hub id, or "box" for the network that comes with the package.
        classes: the classes of its output, matched by name; None for those of a network made by `crn train-segmenter`.

    Raises:
        FileNotFoundError: if there is neither such a folder nor such a repo.
        ConnectionError: if the Hub could not be reached or refused.
        ValueError: if it is not a segmentation network, knows none of the classes, or needs to be told which.
    """
    name = resolve_segmenter(name)
    with Source(name) as source:
        try:
            config = json.loads(source.fetch(CONFIG, TEXT_BYTES).read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{name}: {CONFIG} is not readable JSON ({clause(error)}).") from error
        if isinstance(config, dict) and {"classes", "num_images"} <= set(config):
            raise ValueError(f"{name}: makes photographs, but a network that labels them is needed here.")
        if not isinstance(config, dict) or config.get("architecture") not in [*NETWORKS]:
            if classes is None:
                raise ValueError(f"{name}: its labels are no classes with colours; say which classes a layout has.")
            return _load_transformers(name, classes)
        try:
            height, width = map(int, config["size"])
            if not 32 <= min(height, width) <= max(height, width) <= 4096:
                raise ValueError(f"size {height} x {width}")
            own, training = ClassSet.from_list(config["classes"]), config.get("training")
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{name}: {CONFIG} does not describe a segmentation network ({clause(repr(error))})."
            ) from error
        segmenter = SmallSegmenter(own, (height, width), classes, short_name(name), training, config["architecture"])
        try:
            segmenter.network.load_state_dict(load_file(source.fetch(WEIGHTS, MAX_BYTES)))
        except (RuntimeError, SafetensorError) as error:
            raise ValueError(f"{name}: {WEIGHTS} does not fit the network ({clause(error)}).") from error
    return segmenter.requires_grad_(False).eval()


def _load_transformers(name: str, classes: ClassSet) -> Segmenter:
    try:
        from transformers import (
            AutoConfig,
            AutoImageProcessor,
            AutoModelForSemanticSegmentation,
            AutoModelForUniversalSegmentation,
        )
    except ImportError as error:
        raise ValueError(f"{name}: needs the package transformers; pip install transformers installs it.") from error
    try:
        kind = AutoConfig.from_pretrained(name, trust_remote_code=False).model_type
        auto = AutoModelForUniversalSegmentation if kind in MASKS_OF_QUERIES else AutoModelForSemanticSegmentation
        processor = AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
        network, loading = auto.from_pretrained(
            name, use_safetensors=True, trust_remote_code=False, dtype=torch.float32, output_loading_info=True
        )
    except Exception as error:  # models of many kinds fail in many different ways
        if failure := client_error(error):
            raise ConnectionError(f"{name}: could not be fetched from the Hub: {reason(failure)}.") from error
        raise ValueError(f"{name}: cannot be read as a network for semantic segmentation ({clause(error)}).") from error
    if missing := sorted(loading["missing_keys"]):  # transformers would fill them with random numbers
        raise ValueError(f"{name}: not trained for semantic segmentation: it lacks the weights {some(missing)}.")
    return TransformersSegmenter(short_name(name), classes, network, processor).requires_grad_(False).eval()
