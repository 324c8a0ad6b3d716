"""Makes a cascade narrower, as the start of further training: the channels that the next layer hears most of stay.

    python scripts/narrow_cascade.py MODEL OUTPUT 304 304 256 176 88 40 16

The numbers are the new widths, coarse to fine. The model in the box was narrowed so, to weigh less than 10 MB.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from crn_hub import CRN


@torch.no_grad()
def narrow(model: CRN, widths: Sequence[int]) -> CRN:
    """A cascade of fewer channels with the weights of `model`; its images are nearly the same.

    Raises:
        ValueError: if there are more or fewer widths, or one is larger than the model's.
    """
    if len(widths) != len(model.widths) or any(new > old for new, old in zip(widths, model.widths, strict=True)):
        raise ValueError(f"the widths must be {len(model.widths)} numbers of at most {list(model.widths)}.")
    narrowed = CRN(model.classes, widths, model.base_size, model.num_images, model.region_colors, model.noise_planes)
    weights = dict(model.state_dict())
    layers = [f"stages.{module}.conv{layer}.weight" for module in range(len(widths)) for layer in (1, 2)]
    for name, reader, width in zip(
        layers, [*layers[1:], "to_images.weight"], [w for w in widths for _ in range(2)], strict=True
    ):
        channels = len(weights[name])
        scale = weights[name.replace("conv", "norm")].abs()
        heard = scale * weights[reader][:, :channels].abs().sum(dim=(0, 2, 3))  # the layout's channels come after them
        kept = heard.topk(width).indices.sort().values
        for of_layer in (name, *(name.replace("conv", "norm").replace("weight", part) for part in ("weight", "bias"))):
            weights[of_layer] = weights[of_layer][kept]
        if model.noise_planes:
            noise = name.replace("conv", "noise").removesuffix(".weight")
            weights[noise] = weights[noise][kept]
        weights[reader] = torch.cat([weights[reader][:, kept], weights[reader][:, channels:]], dim=1)
    narrowed.load_state_dict(weights)
    narrowed.training_record = model.training_record
    return narrowed.eval()


def main() -> None:
    if len(sys.argv) < 4 or Path(sys.argv[2]).exists() or not all(width.isdigit() for width in sys.argv[3:]):
        sys.exit("usage: python scripts/narrow_cascade.py MODEL OUTPUT WIDTH..., where OUTPUT doesn't exist yet")
    narrow(CRN.from_pretrained(sys.argv[1]), [int(width) for width in sys.argv[3:]]).save_pretrained(sys.argv[2])


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(str(error))
