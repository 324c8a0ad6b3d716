"""Where the arithmetic of one training step of the model in the box goes, counted by PyTorch.

    python benchmarks/model_in_the_box/step_arithmetic.py

Prints the GFLOP of the network (forward and backward), and of the feature network on the photograph (forward, which
storing its features would save) and on the k images (forward and backward), with the loss on whole images and on
windows of half the height.
"""

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from crn_hub import CRN, ClassSet
from crn_hub.networks.cascade import DEMO_WIDTHS
from crn_hub.vgg import load_features


def main() -> None:
    features = load_features()
    print(
        "| height | k | network | photograph | k images | with a window: photograph | k images |\n" + "| --- " * 7 + "|"
    )
    for modules in (5, 6, 7):
        for k in (1, 2):
            network = CRN(ClassSet.camvid(), DEMO_WIDTHS[:modules], num_images=k)
            height, width = network.size
            cells = [count(network, torch.zeros(1, height, width, dtype=torch.uint8))]
            for part in (1, 2):
                pixels = torch.zeros(1, 3, height // part, width // part)
                cells += [count(features, pixels), count(features, pixels.repeat(k, 1, 1, 1).requires_grad_())]
            print(f"| {height} | {k} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")


def count(network: nn.Module, given: Tensor) -> float:
    """GFLOP of the forward pass, and of the backward pass if the output has a gradient."""
    with FlopCounterMode(display=False) as counter:
        made = network(given)
        total = sum((layer.sum() for layer in made), torch.zeros(())) if isinstance(made, list) else made.sum()
        if total.requires_grad:
            total.backward()
    return counter.get_total_flops() / 1e9


if __name__ == "__main__":
    main()
