"""The stages of a training run: what the command line asks for, and what each of them trains."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from crn_hub.networks.cascade import CRN, DEMO_WIDTHS
from crn_hub.networks.fixed_size import FixedSizeNetwork

BASE_SIZE = (4, 8)  # (height, width) in pixels of a cascade's first module, unless it starts from a model

# Height of the images -> widths of the modules, if none are given; for images of another shape the row with as many
# modules. Each row begins with the row above, so a network can be grown from 64 to 128 to 256 and on.
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
    resolution: Sequence[int] | None, widths: Sequence[int] | None, stages: Sequence[str], start: CRN | None
) -> list[StagePlan]:
    """The stages of a cascade, coarse to fine.

    Args:
        resolution: height, or (height, width), of the final images; the height is that of the last stage, else 64, by
            default, and the shape that of `start`, else 1:2.
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
    asked_height, asked_width = _height_and_width(resolution)
    final_height = asked_height or (heights[-1] if asked else 64)
    if not asked:
        asked = [(final_height, None)]
    elif heights[-1] != final_height:
        raise ValueError(f"--stages end at {heights[-1]}, but --resolution is {final_height}; leave --resolution out.")
    base_height, base_width = start.base_size if start else BASE_SIZE
    if asked_width is not None:
        base_height, base_width = _base_size((final_height, asked_width), widths, start)
    final = _choose_widths(final_height, widths, start, base_height)
    plan = []
    for height, steps in asked:
        modules = (height // base_height).bit_length()
        if not modules or base_height * 2 ** (modules - 1) != height:
            raise ValueError(
                f"--stages {height}: not a height of this cascade; use {base_height} * 2 ** (number of modules - 1)."
            )
        if start is not None and modules < len(start.widths):
            least = base_height * 2 ** (len(start.widths) - 1)
            raise ValueError(
                f"--stages {height}: fewer modules than the {len(start.widths)} of the model to start from; use "
                f"{least} or more."
            )
        plan.append(StagePlan(final[:modules], (height, base_width * 2 ** (modules - 1)), steps))
    return plan


def plan_only_stage(
    generator: type[FixedSizeNetwork],
    resolution: Sequence[int] | None,
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
    asked_height, asked_width = _height_and_width(resolution)
    height = asked_height or (start.size[0] if start else 64)
    of_start = height * start.size[1] // start.size[0] if start else 2 * height  # in the shape of `start`
    size = (height, asked_width or of_start)
    width = widths[0] if widths is not None else start.width if start else generator.DEFAULT_WIDTH
    if start is not None and (size, width) != (start.size, start.width):
        raise ValueError(
            f"the {title} to start from makes images of {start.size[0]} x {start.size[1]} pixels (height x width) and "
            f"has a width of {start.width}, not {size[0]} x {size[1]} and {width}; leave --resolution and --widths out."
        )
    return [StagePlan((width,), size, None)]


def resolution_of(size: tuple[int, int]) -> int | list[int]:
    """(height, width) as the training record has it: only the height of images that are twice as wide."""
    return size[0] if size[1] == 2 * size[0] else [*size]


def _height_and_width(resolution: Sequence[int] | None) -> tuple[int | None, int | None]:
    """What --resolution says of height and width; None for what it doesn't say.

    Raises:
        ValueError: if it is more than two numbers.
    """
    if resolution is not None and len(resolution) not in (1, 2):
        numbers = " ".join(map(str, resolution))
        raise ValueError(f"--resolution {numbers}: one number, the height, or two, height and width.")
    height, width = [*(resolution or ()), None, None][:2]
    return height, width


def _base_size(size: tuple[int, int], widths: Sequence[int] | None, start: CRN | None) -> tuple[int, int]:
    """(height, width) in pixels of the first module of a cascade for images of `size`.

    With widths, their number says how often it doubles; with a model to start from, its first module's height; else it
    doubles as often as leaves the shorter side 4 to 7 pixels, as in the paper.

    Raises:
        ValueError: if `size` cannot be halved as often.
    """
    if widths is not None:
        halvings = len(widths) - 1
    elif start is not None:
        halvings = max(size[0] // start.base_size[0], 1).bit_length() - 1
    else:
        halvings = max(min(size) // BASE_SIZE[0], 1).bit_length() - 1
    unit = 2**halvings
    if size[0] % unit or size[1] % unit:
        near = " ".join(str(max(1, round(side / unit)) * unit) for side in size)
        raise ValueError(
            f"--resolution {size[0]} {size[1]}: a cascade of {halvings + 1} modules makes multiples of {unit} pixels; "
            f"the nearest is --resolution {near}."
        )
    return size[0] // unit, size[1] // unit


def _choose_widths(height: int, widths: Sequence[int] | None, start: CRN | None, base_height: int) -> tuple[int, ...]:
    """The widths asked for, or those of the model to start from and beyond them the table's; checked."""
    tables = {base_height * 2 ** (len(table) - 1): table for table in DEFAULT_WIDTHS.values()}
    if widths is not None:
        chosen = tuple(widths)
    elif start is not None and base_height * 2 ** (len(start.widths) - 1) == height:
        chosen = start.widths
    elif height in tables:
        known = start.widths if start else ()
        chosen = (*known, *tables[height][len(known) :])
    else:
        raise ValueError(
            f"--resolution {height}: use one of {', '.join(map(str, tables))}, or with --widths another {base_height} "
            "* 2 ** (number of modules - 1), or another shape with two numbers, height and width."
        )
    if (makes := base_height * 2 ** (len(chosen) - 1)) != height:
        raise ValueError(
            f"{len(chosen)} widths make images {makes} pixels high, but --resolution is {height}; "
            f"use {base_height} * 2 ** (number of modules - 1)."
        )
    return chosen
