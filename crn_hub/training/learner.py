"""A network and its optimiser, one step at a time."""

import math
from collections.abc import Callable

import torch
from accelerate import Accelerator
from torch import Tensor, nn

# Learning-rate schedules: the share of the stage that is done, 0..1 -> a factor.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1 - done,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
}


class NotFiniteError(RuntimeError):
    """A loss or gradient is infinite or not a number; the message says which, and its value."""


class Learner:
    """A network, and Adam for its parameters that are trained.

    Attributes:
        model: the network as accelerate has wrapped it.
        optimizer: its optimiser, likewise.

    Args:
        accelerator: of the run.
        network: on any device; parameters that need no gradient stay as they are.
        name: whose loss it is, for messages, such as "discriminator's "; "" for the generator.
        learning_rate, beta1: Adam's.
        max_grad_norm: the norm of the gradient is clipped to this; None for no limit.
        is_alone: whether no other network is trained by the same accelerator.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        network: nn.Module,
        name: str,
        learning_rate: float,
        beta1: float,
        max_grad_norm: float | None,
        is_alone: bool,
    ):
        self.accelerator, self.name, self.is_alone = accelerator, name, is_alone
        self.max_grad_norm = max_grad_norm or math.inf
        trained = (p for p in network.parameters() if p.requires_grad)
        self.model, self.optimizer = accelerator.prepare(
            network, torch.optim.Adam(trained, learning_rate, (beta1, 0.999))
        )
        self.gradient_norm = math.nan  # of the last step

    def learn(self, loss: Tensor, learning_rate: float) -> None:
        """Accumulates the gradient of a batch and, after the last batch of a step, updates the weights.

        Raises:
            NotFiniteError: if the loss or its gradient is infinite or not a number.
        """
        accelerator = self.accelerator
        if not torch.isfinite(loss):
            raise NotFiniteError(f"the {self.name}loss is {loss.item()}")
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        accelerator.backward(loss)
        if accelerator.sync_gradients:
            parameters = self.model.parameters()
            if self.is_alone:
                norm = accelerator.clip_grad_norm_(parameters, self.max_grad_norm)
            else:  # that would unscale the gradients of all optimisers, even of those that have none yet
                accelerator.unscale_gradients(self.optimizer)
                norm = nn.utils.clip_grad_norm_(parameters, self.max_grad_norm)
            # The scaler of fp16 tries larger and larger scales, and skips the steps for which they were too large.
            if not torch.isfinite(norm) and accelerator.scaler is None:
                raise NotFiniteError(f"the {self.name}gradient is {norm.item()}")
            self.gradient_norm = norm.item()
        self.optimizer.step()
        self.optimizer.zero_grad()
