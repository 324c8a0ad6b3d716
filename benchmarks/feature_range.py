"""How large the features of the loss become, and how accurate they are in half precision.

    python benchmarks/feature_range.py camvid     # a data set's folder or Hub id; street scenes without one

For each layer: the largest output of any convolution up to it over 16 photographs, to be compared with the largest
number of float16, 65,504; and the mean relative error of the loss term and of its gradient when the features are
computed in float16 or bfloat16, without scaling. The loss compares a photograph with the picture that the model in the
box makes of its layout.
"""

import sys

import torch

from crn_hub import CRN
from crn_hub.data import PairDataset, find_classes, load_rows, scene_rows
from crn_hub.pictures import to_255
from crn_hub.vgg import LAYERS, load_features

PHOTOGRAPHS = 16


def main() -> None:
    model = CRN.from_pretrained()
    if len(sys.argv) > 1:
        rows, classes = load_rows(sys.argv[1])[1], find_classes(sys.argv[1])
    else:
        rows, _, classes = scene_rows(PHOTOGRAPHS, model.size)
    known = torch.from_numpy(classes.translation_to(model.classes))
    data = PairDataset(rows, classes, model.size)
    pairs = [data[i * len(data) // PHOTOGRAPHS] for i in range(PHOTOGRAPHS)]
    network = load_features()
    largest = dict.fromkeys(network.convolutions, 0.0)  # position -> largest output
    for position, convolution in network.convolutions.items():
        convolution.register_forward_hook(
            lambda _, __, out, position=position: largest.update(
                {position: max(largest[position], out.abs().max().item())}
            )
        )
    with torch.no_grad():
        for pair in pairs:
            network(to_255(pair["photograph"][None]))
    up_to = [max([0.0, *list(largest.values())[:count]]) for count in (0, 2, 4, 6, 9, 12)]  # of VGG-16
    types = (torch.float16, torch.bfloat16)
    errors = {(kind, what): torch.zeros(len(LAYERS)) for kind in types for what in ("term", "gradient")}
    for pair in pairs[:4]:
        with torch.no_grad():
            image = model(known[pair["ids"].long()[None]])[0, :1]
        exact_terms, exact_gradients = terms(network, image, pair["photograph"][None], None)
        for kind in types:
            rough_terms, rough_gradients = terms(network, image, pair["photograph"][None], kind)
            for index in range(len(LAYERS)):
                exact, rough = exact_gradients[index], rough_gradients[index]
                errors[kind, "term"][index] += abs(rough_terms[index] / exact_terms[index] - 1) / 4
                errors[kind, "gradient"][index] += (rough - exact).norm() / exact.norm() / 4
    print(
        "| layer | largest feature | float16: term | gradient | bfloat16: term | gradient |\n|---|---|---|---|---|---|"
    )
    for index, layer in enumerate(LAYERS):
        columns = [f"{errors[kind, what][index]:.1%}" for kind in types for what in ("term", "gradient")]
        print(f"| {layer} | {up_to[index]:,.0f} | {' | '.join(columns)} |")


def terms(
    network: torch.nn.Module, image: torch.Tensor, photograph: torch.Tensor, kind: torch.dtype | None
) -> tuple[list[float], list[torch.Tensor]]:
    """Each layer's mean absolute difference, and its gradient with respect to the image."""
    image = image.clone().requires_grad_()
    with torch.autocast("cpu", kind, enabled=kind is not None):
        given, wanted = (network(to_255(picture)) for picture in (image, photograph))
        sizes = [(a.float() - b.float()).abs().mean() for a, b in zip(given, wanted, strict=True)]
    gradients = [torch.autograd.grad(size, image, retain_graph=True)[0] for size in sizes]
    return [size.item() for size in sizes], gradients


if __name__ == "__main__":
    main()
