"""How the cost of photographs grows with pixels, layouts at once, images per layout, and classes.

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
from crn_hub.benchmark.synthesis import SCENE
from crn_hub.classes import ClassSet
from crn_hub.classes.layout_files import Layout
from crn_hub.cli import run
from crn_hub.hub.card import markdown_table
from crn_hub.memory import keep_freed_memory
from crn_hub.scenes import street_scene
from crn_hub.synthesis import resize_ids
from crn_hub.text import three_digits

BASE = (4, 8)  # of the model in the box: (height, width) of the first module
FACTORS, BATCHES, IMAGES = (1, 2, 3, 4), (2, 4, 8), (3, 9)  # of both sides, of layouts, of images per layout
CLASSES = (40, 150)  # that the network knows, instead of the 13 of streets; the layouts have no others than these

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
    streets = len(ClassSet.streets())
    cases = [
        *((factor, 1, 1, streets) for factor in FACTORS),
        *((1, batch, 1, streets) for batch in BATCHES),
        *((1, 1, k, streets) for k in IMAGES),
        *((1, 1, 1, classes) for classes in CLASSES),
    ]
    networks = {case: network(case[0], case[2], case[3]).to(device) for case in cases}
    limits = Limits(device)
    calls = {str(case): synthesis(networks[case], case[1]) for case in cases}
    seconds = take_turns({**calls, **limits.calls}, rounds, device, "synthesis")
    rows = []
    for case in cases:
        _, batch, k, classes = case
        height, width = networks[case].size
        each = median(seconds[str(case)]) / batch
        rows.append(
            [
                f"{width} x {height}",
                str(batch),
                str(k),
                str(classes),
                three_digits(1000 * each / k),
                three_digits(1e9 * each / k / (height * width)),
                f"{each / (networks[case].gflop / limits.rate(seconds)):.2f}",
            ]
        )
    print(describe(device, torch.get_num_threads()), "\n")
    print(markdown_table(["image", "layouts", "k", "classes", "ms an image", "ns a pixel", "times the limit"], rows))


def network(factor: int, k: int, classes: int) -> CRN:
    torch.manual_seed(0)
    size = (factor * BASE[0], factor * BASE[1])
    streets = ClassSet.streets().to_list()
    more = [{"id": i, "name": f"class {i}", "color": [i, 255, 255]} for i in range(len(streets), classes)]
    known = ClassSet.from_list([*streets, *more])
    return CRN(known, base_size=size, num_images=k, region_colors=True, noise_planes=True).eval()


def synthesis(model: CRN, batch: int) -> Call:
    street = resize_ids(street_scene(0, SCENE)[0], model.size).copy()
    layouts: list[Layout] = [street] * batch
    return lambda: model.synthesize(layouts)


if __name__ == "__main__":
    run(app)
