"""`crn benchmark`: what photographs and training steps cost on this machine."""

import os
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

Precision = Literal["float32", "bfloat16", "float16"]


def benchmark(
    models: Annotated[list[str] | None, Parameter(name="MODEL", negative=())] = None,
    /,
    *,
    threads: Annotated[
        list[Annotated[int, Parameter(validator=Number(gte=1, lte=1024))]] | None, Parameter(consume_multiple=True)
    ] = None,
    precision: Annotated[list[Precision] | None, Parameter(consume_multiple=True)] = None,
    rounds: Annotated[int, Parameter(validator=Number(gte=1))] = 20,
    training: bool = False,
    output: Path | None = None,
) -> None:
    """Measure what a model's photographs cost here, beside what this machine can do at most.

    Example: crn benchmark box paper-256p --threads 1 2 --training --output speed

    The photographs of all models take turns, so that other work on the machine slows them alike; training is measured
    model after model, in float32, with the largest number of threads. Prints tables; the time is that from a layout to
    its photographs, "times the limit" is that time over what the arithmetic of all the network's layers would take at
    the rate of large products in float32, "GFLOP computed" is how much of it is computed: on a CPU a cascade leaves
    some out. On a GPU if there is one.

    Parameters
    ----------
    models
        Folders, Hub ids, "box" for the model that comes with the package (the default), or paper-256p, paper-512p and
        paper-1024p for the paper's networks with random weights.
    threads
        Numbers of threads to measure with; by default as many as PyTorch takes. With a GPU only the largest counts.
    precision
        Of weights and features. Half precisions are measured with their difference from float32; in Python,
        CRN.from_pretrained(...).to(torch.bfloat16) uses them.
    rounds
        How often each photograph and each training step is timed.
    training
        Measure training steps too, part by part: those of models with styles as "crn-textures" trains them, others
        with the perceptual loss alone.
    output
        A folder for benchmark.md, benchmark.json and time.png, a picture of where the time goes.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # PyTorch's profiler is silent
    import torch  # takes seconds, and --help doesn't need it

    from crn_hub.benchmark.report import tables, write_report
    from crn_hub.benchmark.synthesis import measure_synthesis
    from crn_hub.benchmark.training import measure_training
    from crn_hub.box import BOX
    from crn_hub.files import check_folder
    from crn_hub.memory import keep_freed_memory

    as_stored: Precision = "float32"
    wanted = [*dict.fromkeys(precision or [as_stored])]
    keep_freed_memory()
    names = [*dict.fromkeys(models or [BOX])]
    if output is not None:
        check_folder("--output", output)
    counts = threads or [torch.get_num_threads()]
    machines, photographs = measure_synthesis(names, counts, wanted, rounds)
    steps = measure_training(names, max(counts), rounds) if training else []
    print(tables(machines, photographs, steps))
    if output is not None:
        write_report(output, machines, photographs, steps)
