"""Held-out rows: their loss, and grids of what the network makes of them."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from PIL import Image
from torch import Tensor

from crn_hub.losses import Loss
from crn_hub.networks import CRN, HubModel
from crn_hub.picture_grids import tiled
from crn_hub.pictures import to_pixels


@contextmanager
def _as_in_use(model: HubModel) -> Iterator[torch.device]:
    """Turns off gradients, dropout and compiled code, which would be compiled anew; yields the model's device."""
    was_training = model.training
    model.eval()
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        yield next(model.parameters()).device
    model.train(was_training)


def _images(model: HubModel, pair: dict[str, Tensor]) -> Tensor:
    """What the network makes of a pair's layout, with the pair's own colours if it takes any: (1, K, 3, H, W)."""
    device = next(model.parameters()).device
    given = [pair[name][None].to(device) for name in ("ids", "colors") if name in pair]
    return model(*given)


def validation_loss(model: HubModel, loss: Loss, pairs: list[dict[str, Tensor]]) -> float:
    """The mean loss over held-out pairs."""
    losses = []
    with _as_in_use(model) as device:
        for pair in pairs:
            ids, photographs = pair["ids"][None].to(device), pair["photograph"][None].to(device)
            losses.append(loss(_images(model, pair), photographs, ids)[0].item())
    return sum(losses) / len(losses)


def sample_grid(model: HubModel, pairs: list[dict[str, Tensor]]) -> Image.Image:
    """One row per pair: layout | the k outputs | photograph."""
    lines = []
    with _as_in_use(model):
        for pair in pairs:
            outputs = to_pixels(_images(model, pair)[0])  # (K, H, W, 3)
            layout = model.classes.to_colors(pair["ids"].numpy())
            lines.append([Image.fromarray(pixels) for pixels in (layout, *outputs, to_pixels(pair["photograph"]))])
    return tiled(lines)


def style_grid(model: CRN, pairs: list[dict[str, Tensor]]) -> Image.Image:
    """One row per pair: layout | what the network makes of it in each of the model's styles."""
    lines = []
    with _as_in_use(model):
        for pair in pairs:
            ids = pair["ids"].numpy()
            photographs = [model.synthesize(ids, num_images=1, style=style)[0] for style in model.styles]
            lines.append([model.classes.to_image(ids), *photographs])
    return tiled(lines)
