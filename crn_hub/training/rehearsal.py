"""A rehearsal: a few steps of each stage, with everything that a run does, and what the whole run will cost."""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from crn_hub.networks import HubModel
from crn_hub.text import duration
from crn_hub.training.arguments import Arguments
from crn_hub.training.checkpoints import find_checkpoint
from crn_hub.training.cost import StageCost
from crn_hub.training.preparation import Run, hub_name, prepare
from crn_hub.training.trackers import check_trackers

REHEARSED_STEPS = 2


def rehearse(args: Arguments, train: Callable[[Run], list[StageCost]]) -> None:
    """Runs two steps of each stage with validation, saving and loading, and prints what the whole run will cost.

    Args:
        args: the command line of the run.
        train: trains a prepared run; returns what each stage cost.

    Raises:
        Whatever the run itself would raise.
    """
    find_checkpoint(args.output_dir, args.resume_from_checkpoint)
    check_trackers(args.report_to)
    hub_name(args)
    folder = args.output_dir / ".dry-run"
    trial = replace(
        args, output_dir=folder, checkpointing_steps=1, validation_steps=1, push_to_hub=False, report_to=(),
        resume_from_checkpoint=None,
    )  # fmt: skip
    is_main = os.environ.get("RANK", "0") == "0"  # there is no accelerator to ask yet
    if is_main:
        shutil.rmtree(folder, ignore_errors=True)  # of a rehearsal that was killed
    began = time.perf_counter()
    try:
        run = prepare(trial, REHEARSED_STEPS)
        preparation = time.perf_counter() - began
        costs = train(run)
        train(prepare(replace(trial, resume_from_checkpoint="latest"), REHEARSED_STEPS, quiet=True))
        HubModel.from_pretrained(folder)
        run.accelerator.wait_for_everyone()
    finally:
        if is_main:
            shutil.rmtree(folder, ignore_errors=True)
    run.accelerator.end_training()
    run.accelerator.print("\n".join(_report(args, costs, preparation)))


def _report(args: Arguments, costs: Sequence[StageCost], preparation: float) -> list[str]:
    """A line for each stage, and one for the run; `preparation` in seconds."""
    lines, total = [], preparation
    for cost in costs:
        steps = cost.stage.steps
        validations, saves = -(-steps // args.validation_steps), -(-steps // args.checkpointing_steps)
        seconds = steps * cost.step + validations * cost.validation + saves * cost.checkpoint
        total += seconds
        lines.append(
            f"{cost.stage.height}p: {steps:,} steps of {cost.step:.2g} s, {validations} validations of "
            f"{cost.validation:.2g} s, {saves} checkpoints of {cost.checkpoint:.2g} s: "
            f"{duration(seconds / 3600)}; peak memory {cost.memory / 1e9:.2g} GB"
        )
    whole = f"the whole run will take about {duration(total / 3600)}"
    return [*lines, f"dry run: built, trained, validated, saved, loaded; {whole}"]
