"""How the cost of photographs grows with pixels, with layouts at once, and with images per layout.

    python benchmarks/scaling.py

Networks like the model in the box with random weights, by turns; milliseconds for each photograph. On a GPU if there is
one.
"""

from statistics import median
from typing import Annotated

import torch
from cyclopts import App, Parameter
from cyclopts.validators import Number

from crn_hub import CRN
from crn_hub.benchmark.machine import Call, Limits, describe, device_of_choice, take_turns
from crn_hub.benchmark.synthesis import layout_for
from crn_hub.classes import ClassSet
from crn_hub.classes.layout_files import Layout
from crn_hub.cli import run
from crn_hub.hub.card import markdown_table
from crn_hub.memory import keep_freed_memory
from crn_hub.text import three_digits

BASE = (4, 8)  # of the model in the box: (height, width) of the first module
FACTORS, BATCHES, IMAGES = (1, 2, 3, 4), (2, 4, 8), (3, 9)  # of both sides, of layouts, of images per layout

app = App(name="scaling.py")


@app.default
def main(*, rounds: Annotated[int, Parameter(validator=Number(gte=1))] = 8) -> None:
    """Prints a table.

    Parameters
    ----------
    rounds
        How often each is timed.
    """
    keep_freed_memory()  # as commands and demo do
    device = device_of_choice()
    cases = [
        *((factor, 1, 1) for factor in FACTORS),
        *((1, batch, 1) for batch in BATCHES),
        *((1, 1, k) for k in IMAGES),
    ]
    calls, networks = {}, {}
    for factor, batch, k in cases:
        name = f"{factor} {batch} {k}"
        networks[name] = network(factor, k).to(device)
        calls[name] = synthesis(networks[name], batch)
    limits = Limits(device)
    seconds = take_turns({**calls, **limits.calls}, rounds, device, "synthesis")
    rows = []
    for factor, batch, k in cases:
        name = f"{factor} {batch} {k}"
        height, width = networks[name].size
        each = median(seconds[name]) / batch
        rows.append(
            [
                f"{width} x {height}",
                str(batch),
                str(k),
                three_digits(1000 * each / k),
                three_digits(1e9 * each / k / (height * width)),
                f"{each / (networks[name].gflop / limits.rate(seconds)):.2f}",
            ]
        )
    print(describe(device, torch.get_num_threads()), "\n")
    print(markdown_table(["image", "layouts", "k", "ms an image", "ns a pixel", "times the limit"], rows))


def network(factor: int, k: int) -> CRN:
    torch.manual_seed(0)
    size = (factor * BASE[0], factor * BASE[1])
    return CRN(ClassSet.streets(), base_size=size, num_images=k, region_colors=True, noise_planes=True).eval()


def synthesis(model: CRN, batch: int) -> Call:
    layouts: list[Layout] = [layout_for(model)] * batch
    return lambda: model.synthesize(layouts)


if __name__ == "__main__":
    run(app)
