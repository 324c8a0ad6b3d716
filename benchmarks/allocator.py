"""What it gains and costs that commands and demo keep freed memory (crn_hub/memory.py).

    python benchmarks/allocator.py

Networks like the model in the box with random weights, and the paper's, each in processes of their own that keep memory
or give it back, by turns. In the main thread, and in another as in the demo.
"""

import json
import resource
import subprocess
import sys
import threading
from statistics import median
from typing import Annotated

import numpy as np
import torch
from cyclopts import App, Parameter
from cyclopts.validators import Number
from tqdm import tqdm

from crn_hub import CRN, ClassSet, HubModel
from crn_hub.benchmark.machine import describe, take_turns
from crn_hub.benchmark.synthesis import layout_for, load
from crn_hub.cli import run
from crn_hub.hub.card import markdown_table
from crn_hub.memory import keep_freed_memory
from crn_hub.text import three_digits

CPU = torch.device("cpu")
CASES = ("512 x 256", "512 x 256, eight layouts", "1024 x 512", "2048 x 1024", "paper-256p")
app = App(name="allocator.py")


@app.default
def main(*, processes: Annotated[int, Parameter(validator=Number(gte=1))] = 3) -> None:
    """Prints a table of medians.

    Parameters
    ----------
    processes
        How many processes of each kind.
    """
    found: dict[tuple[str, bool], list[tuple[float, float, float]]] = {}
    for case in tqdm(CASES * processes):
        for keeps in (False, True):
            command = [sys.executable, __file__, "one", case, *(["--keeps"] if keeps else [])]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
            found.setdefault((case, keeps), []).append(tuple(json.loads(done.stdout)))
    rows = []
    for case in CASES:
        given, kept = (np.median(found[case, keeps], axis=0) for keeps in (False, True))
        cells = [f"{three_digits(a)} -> {three_digits(b)}" for a, b in zip(given, kept, strict=True)]
        rows.append([case, *cells])
    print(describe(CPU, torch.get_num_threads()), "\n")
    print(markdown_table(["", "ms, main thread", "ms, another thread", "peak memory, GB"], rows))


@app.command
def one(case: str, *, keeps: bool = False) -> None:
    """Measures one case in this process; prints milliseconds for each layout twice, and the peak memory, as JSON."""
    if keeps:
        keep_freed_memory()
    model: HubModel
    if case.startswith("paper"):
        model = load(case, CPU)
    else:
        factor = int(case.split()[0]) // 512
        torch.manual_seed(0)
        model = CRN(
            ClassSet.streets(), base_size=(4 * factor, 8 * factor), region_colors=True, noise_planes=True
        ).eval()
    layouts = [layout_for(model)] * (8 if "eight" in case else 1)
    taken: list[float] = []

    def measure() -> None:
        rounds = 2 if case.startswith("paper") else 9
        seconds = take_turns({"": lambda: model.synthesize([*layouts])}, rounds, CPU, case)
        taken.append(1000 * median(seconds[""]) / len(layouts))

    measure()
    other = threading.Thread(target=measure)
    other.start()
    other.join()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps([*taken, peak]))


if __name__ == "__main__":
    run(app)
