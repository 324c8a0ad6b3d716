"""Feature networks of the perceptual loss: VGG-16 and VGG-19 trained on ImageNet, behind one interface.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015. As in the
authors' published CRN code, pooling takes averages, and the features are the input and conv{1..5}_2 after ReLU.
Weights were trained on differently scaled inputs, so each network has its own preprocessing.
"""

import os
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from crn_hub.hub.source import Source
from crn_hub.text import clause

Layer = Literal["input", "conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2"]
LAYERS: tuple[Layer, ...] = get_args(Layer)
VGG16_IN_THE_BOX = Path(__file__).parent / "pretrained" / "vgg16-features.safetensors"
MAX_BYTES = 2**30  # a whole VGG-19, with layers that are not read, has 575 MB


class Preprocessing(NamedTuple):
    """RGB on the 0..255 scale -> (rgb - mean) / std, per channel."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


PREPROCESSING = {
    # Caffe and Keras: means over ImageNet, no scaling.
    "caffe": Preprocessing((123.68, 116.779, 103.939), (1.0, 1.0, 1.0)),
    # torchvision and timm: on the 0..1 scale (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225).
    "torchvision": Preprocessing((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}

# Names on the command line -> where the weights are: a Hub id, or the file that comes with the package.
NAMES: dict[str, str | Path] = {
    "vgg16": VGG16_IN_THE_BOX,
    "vgg19": "timm/vgg19.tv_in1k",
    "timm/vgg16.tv_in1k": "timm/vgg16.tv_in1k",
    "timm/vgg19.tv_in1k": "timm/vgg19.tv_in1k",
}

# The positions of the convolutions in torchvision's `features`, whose numbering includes ReLUs and poolings: block by
# block, up to conv5_2. There is a pooling between two blocks.
POSITIONS = {
    "vgg16": ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26)),
    "vgg19": ((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28, 30)),
}
BLOCK_WIDTHS = (64, 128, 256, 512, 512)


class FeatureNetwork(nn.Module):
    """The convolutions of a VGG up to conv5_2, frozen.

    Args:
        architecture: "vgg16" or "vgg19".
        preprocessing: the scale of the input that the weights were trained on.
        device: of the weights; on "meta" they take neither time nor memory until they are loaded.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, architecture: str, preprocessing: Preprocessing, device: str | None = None):
        super().__init__()
        self.architecture, self.preprocessing = architecture, preprocessing
        self.convolutions = nn.ModuleDict()  # position -> layer
        channels = 3
        for positions, width in zip(POSITIONS[architecture], BLOCK_WIDTHS, strict=True):
            for position in positions:
                self.convolutions[str(position)] = nn.Conv2d(channels, width, 3, padding=1, device=device)
                channels = width
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(preprocessing.std).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> list[Tensor]:
        """RGB (B, 3, H, W) on the 0..255 scale (unclipped) -> the features of `LAYERS`, fine to coarse.

        H and W must be at least 16, because there are four poolings.
        """
        x = (images - self.mean) / self.std
        features = [x]
        for block, positions in enumerate(POSITIONS[self.architecture]):
            if block:
                x = F.avg_pool2d(x, 2)
            for number, position in enumerate(positions, start=1):
                x = F.relu(self.convolutions[str(position)](x))
                if number == 2:
                    features.append(x)
        return features


def load_features(name: str | os.PathLike[str] = "vgg16") -> FeatureNetwork:
    """A feature network by name (see `NAMES`) or from a local safetensors file.

    The file has the tensors `features.{position}.{weight,bias}`, numbered as in torchvision and timm; others are not
    read. Its metadata may name the `preprocessing`: "caffe" or "torchvision", which is the default.

    Raises:
        FileNotFoundError: if there is neither such a name nor such a file, or the Hub doesn't have it.
        ConnectionError: if the file is not in the cache and the Hub cannot be reached or refuses.
        ValueError: if the file is not a VGG-16 or VGG-19.
    """
    source = NAMES.get(str(name), Path(name))
    if isinstance(source, Path):
        file = source
        if not file.is_file():
            raise FileNotFoundError(
                f"{name}: neither a feature network ({', '.join(NAMES)}) nor a safetensors file that exists."
            )
    else:
        try:
            with Source(source) as repo:
                file = repo.fetch("model.safetensors", MAX_BYTES)
        except (FileNotFoundError, ConnectionError) as error:
            raise type(error)(f"{str(error).rstrip('.')}; vgg16 needs no download.") from error
    try:
        with safe_open(file, framework="pt") as tensors:
            keys = set(tensors.keys())
            # Only VGG-19 has a fourth convolution in block 3, at position 16.
            architecture = "vgg19" if "features.16.weight" in keys else "vgg16"
            kind = (tensors.metadata() or {}).get("preprocessing", "torchvision")
            if kind not in PREPROCESSING:
                raise ValueError(f"{file}: unknown preprocessing {kind!r}; known are {', '.join(PREPROCESSING)}.")
            network = FeatureNetwork(architecture, PREPROCESSING[kind], device="meta")
            expected = {key.replace("convolutions", "features"): key for key in network.state_dict()}
            if missing := sorted(set(expected) - keys):
                raise ValueError(f"{file}: not a VGG-16 or VGG-19: the tensor {missing[0]} is missing.")
            # Copies, so that nothing happens to the network if the file is replaced.
            weights = {expected[key]: tensors.get_tensor(key).to(torch.float32, copy=True) for key in expected}
            network.load_state_dict(weights, assign=True)
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"{file}: not a usable VGG in safetensors ({clause(error)}).") from error
    return network
