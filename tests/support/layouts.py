"""Layouts as tensors."""

import torch

from crn_hub import HubModel


def random_ids(model: HubModel, batch: int = 1, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, len(model.classes) + 1, (batch, *model.size), generator=generator)
    return ids.masked_fill(ids == len(model.classes), 255)
