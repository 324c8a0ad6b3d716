"""What a training step costs, part by part."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import torch
from tqdm import tqdm

from crn_hub.benchmark.machine import describe, device_of_choice, wait_for
from crn_hub.benchmark.synthesis import SCENE, load
from crn_hub.classes import ClassSet
from crn_hub.data import PairDataset, scene_rows
from crn_hub.losses import PerceptualLoss
from crn_hub.losses.texture import TEXTURE_LAYERS, TextureLoss
from crn_hub.networks import CRN, HubModel
from crn_hub.scenes import SCENE_CLASSES
from crn_hub.vgg import load_features

LEARNING_RATE = 1e-6  # the weights stay about as they are
TEXTURE_WEIGHT = 1.25


@dataclass(frozen=True)
class TrainingCost:
    """What a step of one image costs.

    Attributes:
        name: of the model, as it was given.
        where: the processor, threads and PyTorch.
        parts: seconds of a step by what they are spent on, medians.
    """

    name: str
    where: str
    parts: dict[str, float]

    @property
    def median(self) -> float:
        """Seconds of a step."""
        return sum(self.parts.values())


def measure_training(names: Sequence[str], threads: int, rounds: int) -> list[TrainingCost]:
    """Times the steps of models in float32, of one image each, on a GPU if there is one.

    Networks that take colours are trained as "crn-textures", others with the perceptual loss alone; with VGG-16
    features, on street scenes.

    Raises:
        FileNotFoundError, ConnectionError, ValueError: as `synthesis.load`.
    """
    before = torch.get_num_threads()
    device = device_of_choice()
    try:
        torch.set_num_threads(threads)
        return [TrainingCost(name, describe(device, threads), _parts(name, rounds, device)) for name in names]
    finally:
        torch.set_num_threads(before)


def _parts(name: str, rounds: int, device: torch.device) -> dict[str, float]:
    model = load(name, device).train()
    perceptual = PerceptualLoss(
        load_features().to(memory_format=torch.channels_last), len(model.classes), image_by_image=model.num_images > 1
    ).to(device)
    texture = None
    if isinstance(model, CRN) and model.region_colors:
        texture = TextureLoss(perceptual, TEXTURE_WEIGHT, TEXTURE_LAYERS, seed=0)
        texture.begin_step(0, 1.0)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    data = PairDataset(scene_rows(rounds + 1, SCENE)[0], ClassSet.load(SCENE_CLASSES), model.size)
    found: dict[str, list[float]] = {}
    for number in tqdm(range(rounds + 1), desc=f"steps of {name}", leave=False):
        laps = _step(model, perceptual, texture, optimizer, data, number, device)
        for part, seconds in laps.items() if number else ():
            found.setdefault(part, []).append(seconds)
    return {part: median(seconds) for part, seconds in found.items()}


def _step(
    model: HubModel,
    perceptual: PerceptualLoss,
    texture: TextureLoss | None,
    optimizer: torch.optim.Optimizer,
    data: PairDataset,
    number: int,
    device: torch.device,
) -> dict[str, float]:
    """A step as training takes it, cut where its parts meet; seconds of each part.

    Several images per layout go through the features one by one, as with --loss_image_by_image.
    """
    laps: dict[str, float] = {}
    began = time.perf_counter()

    def lap(part: str) -> None:
        nonlocal began
        wait_for(device)
        now = time.perf_counter()
        laps[part] = laps.get(part, 0.0) + now - began
        began = now

    row = data[number]
    ids, photograph = (row["ids"][None] % len(model.classes)).to(device), row["photograph"][None].to(device)
    lap("data")
    given: list[object] = []
    if isinstance(model, CRN) and (model.region_colors or model.noise_planes):
        given = [photograph if model.region_colors else None, model.noise(number) or None]
    images = model(ids, *given)
    lap("network, forward")
    seen = images.detach().requires_grad_()
    if perceptual.image_by_image:
        perceptual(seen, photograph, ids)[0].backward()
        lap("features, perceptual distance")
    else:
        wanted, masks = perceptual.wanted(photograph, ids)
        lap("features of the photograph")
        features = perceptual.features_of(seen)
        lap("features of the image, forward")
        ends = [layer.detach().requires_grad_() for layer in features]
        errors = perceptual.errors(ends, wanted, masks)
        perceptual.total(errors)[0].backward()
        lap("perceptual distance")
        if texture is not None:
            texture.distance(ends, wanted, masks, perceptual.best(errors.detach())).backward()
            lap("distance of textures")
        torch.autograd.backward(features, [end.grad for end in ends])
        lap("features of the image, backward")
    images.backward(seen.grad)
    lap("network, backward")
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    lap("optimiser")
    return laps
