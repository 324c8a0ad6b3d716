"""The stages of a training run: what the command line asks for, and what each of them trains."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from crn_hub.networks.cascade import CRN, DEMO_WIDTHS
from crn_hub.networks.fixed_size import FixedSizeNetwork

BASE_SIZE = (4, 8)  # (height, width) in pixels of a cascade's first module, unless it starts from a model

# Height of the images -> widths of the modules, if none are given. Each row begins with the row above, so a
# network can be grown from 64 to 128 to 256 and on.
DEFAULT_WIDTHS = {
    32: DEMO_WIDTHS[:4],
    64: DEMO_WIDTHS[:5],
    128: DEMO_WIDTHS[:6],
    256: DEMO_WIDTHS,
    512: (*DEMO_WIDTHS, 12),
    1024: (*DEMO_WIDTHS, 12, 8),
}


@dataclass(frozen=True)
class StagePlan:
    """What a command line says of one stage.

    Attributes:
        widths: channels of each module, coarse to fine; for a network other than the cascade, one number.
        size: (height, width) of the images in pixels.
        steps: optimiser steps, if `--stages` says so.
    """

    widths: tuple[int, ...]
    size: tuple[int, int]
    steps: int | None


@dataclass(frozen=True)
class Stage:
    """One stage of a run, at one resolution.

    Attributes:
        number: 0 for the first.
        widths, size: as in `StagePlan`.
        steps: optimiser steps over which the learning rate is scheduled.
        first_step: optimiser steps of the stages before.
        last_step: the step, counted through all stages, with which it ends; in a rehearsal, sooner than `steps` says.
    """

    number: int
    widths: tuple[int, ...]
    size: tuple[int, int]
    steps: int
    first_step: int
    last_step: int

    @property
    def height(self) -> int:
        return self.size[0]


def settle(plans: Sequence[StagePlan], steps: int, at_most: int | None) -> tuple[Stage, ...]:
    """The stages of a run.

    Args:
        plans: what the command line says of them.
        steps: of each stage whose steps it doesn't give.
        at_most: run at most this many steps of each; None for all.
    """
    stages: list[Stage] = []
    for number, plan in enumerate(plans):
        first_step, length = stages[-1].last_step if stages else 0, plan.steps or steps
        last_step = first_step + (at_most or length)
        stages.append(Stage(number, plan.widths, plan.size, length, first_step, last_step))
    return tuple(stages)


def plan_stages(
    resolution: int | None, widths: Sequence[int] | None, stages: Sequence[str], start: CRN | None
) -> list[StagePlan]:
    """The stages of a cascade, coarse to fine.

    Args:
        resolution: height of the final images; that of the last stage, else 64, by default.
        widths: of the final network; by default those of `start` and beyond them the table's.
        stages: "HEIGHT" or "HEIGHT:STEPS" each; empty for one stage.
        start: the model to start from.

    Raises:
        ValueError: if resolution, widths and stages don't fit together.
    """
    asked: list[tuple[int, int | None]] = []
    for stage in stages:
        if not (match := re.fullmatch(r"([1-9]\d*)(?::([1-9]\d*))?", stage)):
            raise ValueError(f"--stages {stage}: use HEIGHT or HEIGHT:STEPS, such as 64:1500.")
        asked.append((int(match[1]), int(match[2]) if match[2] else None))
    heights = [height for height, _ in asked]
    if heights != sorted(set(heights)):
        raise ValueError(f"--stages {' '.join(stages)}: each stage must be higher than the one before.")
    if resolution is None:
        resolution = heights[-1] if asked else 64
    if not asked:
        asked = [(resolution, None)]
    elif heights[-1] != resolution:
        raise ValueError(f"--stages end at {heights[-1]}, but --resolution is {resolution}; leave --resolution out.")
    final = _choose_widths(resolution, widths, start)
    base_height, base_width = start.base_size if start else BASE_SIZE
    plan = []
    for height, steps in asked:
        modules = (height // base_height).bit_length()
        if not modules or base_height * 2 ** (modules - 1) != height:
            raise ValueError(
                f"--stages {height}: not a height of this cascade; use {base_height} * 2 ** (number of modules - 1)."
            )
        if start is not None and modules < len(start.widths):
            raise ValueError(
                f"--stages {height}: below the {start.size[0]} pixels of the model to start from; "
                f"use {start.size[0]} or more."
            )
        plan.append(StagePlan(final[:modules], (height, base_width * 2 ** (modules - 1)), steps))
    return plan


def plan_only_stage(
    generator: type[FixedSizeNetwork],
    resolution: int | None,
    widths: Sequence[int] | None,
    stages: Sequence[str],
    start: FixedSizeNetwork | None,
) -> list[StagePlan]:
    """The only stage of a network other than the cascade, which doesn't grow; arguments as for `plan_stages`.

    Raises:
        ValueError: if the arguments are for a cascade, or don't fit the model to start from.
    """
    title = generator.TITLE
    if stages:
        raise ValueError(f"--stages {' '.join(stages)}: a {title} is trained at one size; leave --stages out.")
    if widths is not None and len(widths) != 1:
        raise ValueError(f"--widths {' '.join(map(str, widths))}: a {title} has one width; use one number.")
    height = resolution or (start.size[0] if start else 64)
    width = widths[0] if widths is not None else start.width if start else generator.DEFAULT_WIDTH
    if start is not None and (height, width) != (start.size[0], start.width):
        raise ValueError(
            f"the {title} to start from is {start.size[0]} pixels high and has a width of {start.width}, not {height} "
            f"and {width}; leave --resolution and --widths out."
        )
    size = start.size if start else (height, 2 * height)
    return [StagePlan((width,), size, None)]


def _choose_widths(resolution: int, widths: Sequence[int] | None, start: CRN | None) -> tuple[int, ...]:
    """The widths asked for, or those of the model to start from and beyond them the table's; checked."""
    base_height = (start.base_size if start else BASE_SIZE)[0]
    if widths is not None:
        chosen = tuple(widths)
    elif start is not None and start.size[0] == resolution:
        chosen = start.widths
    elif resolution in DEFAULT_WIDTHS:
        table = DEFAULT_WIDTHS[resolution]
        known = start.widths if start else ()
        chosen = (*known, *table[len(known) :])
    else:
        raise ValueError(
            f"--resolution {resolution}: use one of {', '.join(map(str, DEFAULT_WIDTHS))}, or with --widths "
            f"another {base_height} * 2 ** (number of modules - 1)."
        )
    height = base_height * 2 ** (len(chosen) - 1)
    if height != resolution:
        raise ValueError(
            f"{len(chosen)} widths make images {height} pixels high, but --resolution is {resolution}; "
            f"use {base_height} * 2 ** (number of modules - 1)."
        )
    return chosen
