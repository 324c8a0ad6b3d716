"""A network and its optimiser, one step at a time."""

import math
from collections.abc import Callable

import torch
from accelerate import Accelerator
from torch import Tensor, nn

# How the learning rate changes: share of the stage that is done, 0..1 -> factor, 1..0.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1 - done,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
}


class NotFiniteError(RuntimeError):
    """A loss, gradient or weight is infinite or no number; the message says which, and its value."""


class Learner:
    """A network with Adam for what is to be trained of it.

    Attributes:
        model: the network as accelerate has wrapped it.
        optimizer: its optimiser, likewise.

    Args:
        accelerator: of the run.
        network: on any device; parameters without gradient stay as they are.
        name: what messages call it, "" for the network whose images are trained.
        learning_rate, beta1: of Adam.
        max_grad_norm: longer gradients are shortened to this; None for no limit.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        network: nn.Module,
        name: str,
        learning_rate: float,
        beta1: float,
        max_grad_norm: float | None,
    ):
        self.accelerator, self.name, self.max_grad_norm = accelerator, name, max_grad_norm
        trained = (p for p in network.parameters() if p.requires_grad)
        self.model, self.optimizer = accelerator.prepare(
            network, torch.optim.Adam(trained, learning_rate, (beta1, 0.999))
        )
        self.gradient_norm = math.nan  # of the last step

    def learn(self, loss: Tensor, learning_rate: float) -> None:
        """Adds the gradient of a batch and, with the last batch of a step, makes the step.

        Raises:
            NotFiniteError: if the loss or its gradient is infinite or no number.
        """
        accelerator = self.accelerator
        if not torch.isfinite(loss):
            raise NotFiniteError(f"the {self.name}loss is {loss.item()}")
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        accelerator.backward(loss)
        if accelerator.sync_gradients:
            # Not accelerator.clip_grad_norm_, which unscales the gradients of all optimisers, also of those that have
            # none yet.
            accelerator.unscale_gradients(self.optimizer)
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.max_grad_norm or math.inf)
            # The scaler of fp16 tries larger and larger scales, and skips the steps for which they were too large.
            if not torch.isfinite(norm) and accelerator.scaler is None:
                raise NotFiniteError(f"the {self.name}gradient is {norm.item()}")
            self.gradient_norm = norm.item()
        self.optimizer.step()
        self.optimizer.zero_grad()
