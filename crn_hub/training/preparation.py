"""What a training run needs, as one value: everything that can be wrong is found here, before the first step."""

import math
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator, DataLoaderConfiguration
from huggingface_hub import HfApi

from crn_hub.classes import ClassSet
from crn_hub.data import LabelSurvey
from crn_hub.hub.client_errors import push_errors
from crn_hub.hub.model_folder import WEIGHTS
from crn_hub.hub.source import check_repo_id
from crn_hub.losses import Loss
from crn_hub.networks import CRN, HubModel
from crn_hub.networks.fixed_size import FixedSizeNetwork
from crn_hub.training.arguments import Arguments
from crn_hub.training.checkpoints import check_room, clear_leftovers, find_checkpoint
from crn_hub.training.launching import check_processes, check_way_of_training
from crn_hub.training.resumption import Resumption, facts_of, find_resumption, has_finished, settings_of
from crn_hub.training.rows import TrainingRows, load_training_rows
from crn_hub.training.stages import Stage, StagePlan, plan_only_stage, plan_stages, settle
from crn_hub.training.systems import RECIPES, SYSTEMS, System, complete
from crn_hub.training.trackers import check_trackers

SCENE_STEPS, EPOCHS = 1200, 200  # default lengths of training; 200 as in the paper


@dataclass(frozen=True)
class Run:
    """A training run, resolved and checked.

    Attributes:
        args: the command line, with the system's learning rate and beta1 filled in.
        accelerator: accelerate's, for device, precision and processes.
        system: which network is trained by which loss.
        loss: with its networks, on the run's device.
        num_images: k, images per layout.
        start: the model that the first stage starts from.
        rows: data, classes and licence.
        left_out: what is wrong with each row that is left out.
        labels: what the labels were taken for; None for scenes.
        stages: coarse to fine.
        trained_modules: how many of the last modules are trained; None for all.
        steps_per_epoch: optimiser steps.
        calibration_step: the step of each stage after which the loss weights are measured; 0 before the first.
        settings: the command line as the training record has it.
        facts: what must be the same when the run is resumed.
        hub_id: the model's name on the Hub, if it is going to be pushed.
        resumption: the checkpoint to continue from; None for a run from the beginning.
        finished: whether the output folder holds the model of this very run.
        is_rehearsal: whether this is a dry run, with a few steps of each stage.
    """

    args: Arguments
    accelerator: Accelerator
    system: System
    loss: Loss
    num_images: int
    start: HubModel | None
    rows: TrainingRows
    left_out: list[str]
    labels: LabelSurvey | None
    stages: tuple[Stage, ...]
    trained_modules: int | None
    steps_per_epoch: int
    calibration_step: int
    settings: dict[str, Any]
    facts: dict[str, Any]
    hub_id: str
    resumption: Resumption | None
    finished: bool
    is_rehearsal: bool

    @cached_property
    def name(self) -> str:
        """For trackers; the same when the run is resumed."""
        if self.resumption:
            return self.resumption.progress["run_name"]
        return f"{self.output_dir.resolve().name}-{time.strftime('%Y%m%d-%H%M%S')}"

    @property
    def learning_rate(self) -> float:
        """Of all optimisers."""
        return self.args.learning_rate or self.system.learning_rate

    @property
    def adam_beta1(self) -> float:
        """Of all optimisers."""
        return self.system.adam_beta1 if self.args.adam_beta1 is None else self.args.adam_beta1

    @property
    def output_dir(self) -> Path:
        return self.args.output_dir

    @property
    def terms(self) -> tuple[str, ...]:
        """What the log has beside the loss of each step."""
        opponent = self.loss.opponent
        return (*self.loss.terms, *([opponent.name] if opponent else []))

    @property
    def images_per_step(self) -> int:
        args = self.args
        return args.train_batch_size * self.accelerator.num_processes * args.gradient_accumulation_steps

    def fresh_network(self, stage: Stage) -> HubModel:
        """The network of a stage, with random weights."""
        return self.system.network(self.rows.classes, stage.widths, stage.size, self.num_images, self.start)


def prepare(args: Arguments, rehearsed_steps: int | None = None, quiet: bool = False) -> Run:
    """Everything that a run needs, built and checked.

    Args:
        args: the command line.
        rehearsed_steps: for a dry run, how many steps of each stage to run.
        quiet: don't say what the data were taken for.

    Raises:
        ValueError, FileNotFoundError, FileExistsError, ConnectionError, OSError: one sentence on what is wrong.
    """
    args, system = complete(args), SYSTEMS[args.system]
    check_trackers(args.report_to)
    check_way_of_training()
    accelerator = _make_accelerator(args)
    check_processes(accelerator)
    _check_arguments(args, system, accelerator)
    _use_device(args, accelerator)
    hub_id = hub_name(args)
    checkpoint = find_checkpoint(args.output_dir, args.resume_from_checkpoint)
    start = system.generator.from_pretrained(args.init_from) if args.init_from is not None else None
    num_images = args.num_images or (start.num_images if start and system.loss.several_images else 1)
    plans = _plan(args, system, start)
    trained_modules = _read_train_modules(args.train_modules, len(plans[0].widths), start)
    _check_sizes(args, system, plans)

    rows = load_training_rows(args, plans[-1].size, plans[0].size, system.with_colors, accelerator)
    parameters = _check_networks(args, system, plans, rows.classes, num_images, start)
    with torch.random.fork_rng():
        torch.manual_seed(args.seed)  # for the discriminator's weights
        loss = system.make_loss(args, rows.classes).to(accelerator.device)
    if loss.opponent:
        parameters += sum(p.numel() for p in loss.opponent.network.parameters())
    checked = rows.check(args, accelerator, quiet)  # last, because it may take minutes
    steps_per_epoch, steps = _lengths(args, len(rows.data), accelerator.num_processes)
    calibration_step = _calibration_step(args, steps_per_epoch, min(plan.steps or steps for plan in plans))
    stages = settle(plans, steps, rehearsed_steps)

    settings = settings_of(args, accelerator)
    facts = facts_of(args, rows, len(checked.left_out), plans, num_images, loss)
    may_have_finished = args.resume_from_checkpoint == "latest" and rehearsed_steps is None
    finished = may_have_finished and has_finished(args.output_dir, settings, stages[-1])
    resumption = find_resumption(checkpoint, facts, settings, stages, finished, accelerator) if checkpoint else None
    if resumption is None and not finished and (args.output_dir / WEIGHTS).exists():
        raise FileExistsError(
            f"{args.output_dir} holds a trained model and no checkpoint to continue from: give another --output_dir."
        )
    if args.push_to_hub and accelerator.is_main_process:
        with push_errors(f"--push_to_hub: {hub_id} cannot be created"):
            hub_id = HfApi().create_repo(hub_id, exist_ok=True).repo_id
    if accelerator.is_main_process:
        clear_leftovers(args.output_dir)
    accelerator.wait_for_everyone()
    check_room(args.output_dir, parameters, args.checkpoints_total_limit)
    return Run(
        args=args,
        accelerator=accelerator,
        system=system,
        loss=loss,
        num_images=num_images,
        start=start,
        rows=rows,
        left_out=checked.left_out,
        labels=checked.labels,
        stages=stages,
        trained_modules=trained_modules,
        steps_per_epoch=steps_per_epoch,
        calibration_step=calibration_step,
        settings=settings,
        facts=facts,
        hub_id=hub_id,
        resumption=resumption,
        finished=finished,
        is_rehearsal=rehearsed_steps is not None,
    )


def hub_name(args: Arguments) -> str:
    """The name on the Hub, checked if it will be needed."""
    name = args.hub_model_id or args.output_dir.resolve().name
    if args.push_to_hub:
        try:
            check_repo_id(name)
        except ValueError as error:
            raise ValueError(f"--hub_model_id: {error}") from error
    return name


# -- where it runs -----------------------------------------------------------------------------------


def _make_accelerator(args: Arguments) -> Accelerator:
    return Accelerator(
        mixed_precision=args.mixed_precision,
        gradient_accumulation_steps=args.gradient_accumulation_steps,
        log_with=list(args.report_to) or None,
        project_dir=args.output_dir / "logs",
        # The order of rows is a function of (seed, epoch): a resumed run continues with the rows that come next.
        dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True, data_seed=args.seed),
    )


def _use_device(args: Arguments, accelerator: Accelerator) -> None:
    if accelerator.device.type == "cpu":
        if accelerator.mixed_precision == "fp16":
            raise ValueError("--mixed_precision fp16 needs a GPU; on a CPU use no or bf16.")
        # `accelerate launch` sets one thread where nobody asked for a number; a person's own 1 looks the same there.
        was_launched = "ACCELERATE_MIXED_PRECISION" in os.environ
        if was_launched and accelerator.num_processes == 1 and torch.get_num_threads() == 1:
            allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
            torch.set_num_threads(allowed or 1)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = args.allow_tf32


# -- checks of the command line ----------------------------------------------------------------------


def _check_arguments(args: Arguments, system: System, accelerator: Accelerator) -> None:
    """
    Raises:
        ValueError: for arguments that don't go together, or that the system doesn't understand, or lacks.
    """
    defaults, name = Arguments(), args.system
    for recipe in RECIPES:
        for argument in recipe.arguments if recipe is not system.loss else ():
            if argument not in system.loss.arguments and getattr(args, argument) != getattr(defaults, argument):
                raise ValueError(f"--{argument}: the system {name} has no {recipe.kind} loss; leave it out.")
    if system.adversarial and accelerator.mixed_precision == "fp16" and args.gradient_accumulation_steps > 1:
        # accelerate has one scaler, which may change its scale between the steps of the two optimisers, while the
        # second one still accumulates gradients at the old scale.
        raise ValueError(
            f"--mixed_precision fp16 and --gradient_accumulation_steps do not go together in --system {name}; use "
            "bf16, or a larger --train_batch_size."
        )
    if system.loss.required and getattr(args, system.loss.required[0]) is None:
        raise ValueError(f"--system {name} {system.loss.required[1]}.")
    if system.loss.whole_images and args.loss_window is not None:
        raise ValueError(
            f"--loss_window: the {system.loss.kind} network of --system {name} looks at whole images; leave it out."
        )
    if (args.num_images or 1) > 1 and not system.loss.several_images:
        raise ValueError(f"--num_images {args.num_images}: the system {name} makes one image per layout.")
    system.loss.check(args)


def _plan(args: Arguments, system: System, start: HubModel | None) -> list[StagePlan]:
    if issubclass(system.generator, CRN):
        if args.preset in ("paper-512p", "paper-1024p") and start is None:
            raise ValueError(f"--preset {args.preset} grows a model of half the height: give it with --init_from.")
        return plan_stages(args.resolution, args.widths, args.stages, cast(CRN | None, start))
    if args.train_modules != "all":
        raise ValueError(f"--train_modules {args.train_modules}: only for a cascade; leave it out.")
    own_kind = cast(FixedSizeNetwork | None, start)
    return plan_only_stage(system.generator, args.resolution, args.widths, args.stages, own_kind)


def _read_train_modules(text: str, modules: int, start: HubModel | None) -> int | None:
    """How many of the last modules to train; None for all."""
    if text == "all":
        return None
    match = re.fullmatch(r"last:([1-9]\d*)", text)
    if match is None or int(match[1]) > modules:
        raise ValueError(f"--train_modules {text}: use all, or last:N with N from 1 to {modules}.")
    if start is None:
        raise ValueError(f"--train_modules {text}: the others come from a model: give --init_from.")
    return int(match[1])


def _check_sizes(args: Arguments, system: System, plans: Sequence[StagePlan]) -> None:
    """
    Raises:
        ValueError: if images, or the window of the loss, are too small for its networks.
    """
    (height, width), smallest = plans[-1].size, system.smallest_side
    least = math.ceil(smallest * height / min(height, width))
    if args.loss_window is not None and not least <= args.loss_window <= height:
        raise ValueError(
            f"--loss_window {args.loss_window}: images are {height} x {width} pixels (height x width) and no "
            f"side of the window may be below {smallest}; use a height from {least} to {height}."
        )
    if system.adversarial and (coarsest := plans[0].size[0]) < least:
        raise ValueError(
            f"images of {coarsest} pixels of height are too small for the discriminator of --system {args.system}; "
            f"use {least} or more."
        )


def _check_networks(
    args: Arguments,
    system: System,
    plans: Sequence[StagePlan],
    classes: ClassSet,
    num_images: int,
    start: HubModel | None,
) -> int:
    """Builds the networks without taking memory; returns how many parameters the last, the largest, has.

    Raises:
        ValueError: if the network cannot have such a size or width, or cannot start from `start`.
    """
    try:
        with torch.device("meta"):
            networks = [system.network(classes, plan.widths, plan.size, num_images, start) for plan in plans]
    except ValueError as error:
        raise ValueError(f"--resolution, --widths: {error}") from error
    if start is not None:
        try:
            networks[0].check_start(start)
        except ValueError as error:
            raise ValueError(f"--init_from {args.init_from}: {error}") from error
    return networks[-1].num_parameters


def _lengths(args: Arguments, rows: int, processes: int) -> tuple[int, int]:
    """Optimiser steps of an epoch, and of a stage whose steps `--stages` doesn't give."""
    batches = math.ceil(rows / args.train_batch_size)
    steps_per_epoch = math.ceil(math.ceil(batches / processes) / args.gradient_accumulation_steps)
    if args.max_train_steps is not None:
        return steps_per_epoch, args.max_train_steps
    if args.dataset_name is None and args.num_train_epochs is None:
        return steps_per_epoch, SCENE_STEPS
    return steps_per_epoch, (args.num_train_epochs or EPOCHS) * steps_per_epoch


def _calibration_step(args: Arguments, steps_per_epoch: int, shortest: int) -> int:
    """The step of each stage after which the loss weights are measured; `shortest` is the length of the shortest."""
    step = args.calibration_step or round((args.calibration_epoch or 0) * steps_per_epoch)
    if step >= shortest:
        raise ValueError(
            f"the loss weights would be measured after step {step}, but a stage has only {shortest} "
            "steps; give a smaller --calibration_step, or 0 for the beginning."
        )
    return step
