"""Trains a cascaded refinement network on pairs of photograph and label map (Chen and Koltun, ICCV 2017).

    accelerate launch train_accelerate.py                                  # procedural street scenes, a few minutes
    accelerate launch train_accelerate.py --dataset_name org/streets --resolution 256 --output_dir crn-streets

Leaves a model folder that `CRN.from_pretrained` loads, with its card, grids (layout | outputs | photograph), loss
curves and training_log.jsonl.
"""

import json
import math
import os
import re
import shutil
import signal
import sys
import time
import zlib
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, cast

import psutil
import torch
from accelerate import Accelerator, DataLoaderConfiguration
from accelerate.utils import set_seed
from cyclopts import App, Parameter
from cyclopts.argument import ArgumentCollection
from cyclopts.config import Dict
from cyclopts.validators import Number
from huggingface_hub import HfApi
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from tqdm import tqdm

from crn_hub import CRN
from crn_hub.card import duration
from crn_hub.classes import UNLABELLED, ClassSet, LayoutError
from crn_hub.cli import run
from crn_hub.data import PairDataset, dataset_license, find_classes, load_rows, scene_rows
from crn_hub.hub import check_repo_id, pushing
from crn_hub.losses import PUBLISHED_WEIGHTS, PerceptualLoss
from crn_hub.model import TRAINING_RECORD, WEIGHTS
from crn_hub.perceptual import LAYERS, load_features
from crn_hub.synthesis import save_picture
from crn_hub.text import clause
from crn_hub.training.checkpoints import (
    StopRequest,
    check_room,
    clear_leftovers,
    find_checkpoint,
    load_checkpoint,
    prepare_worker,
    read_progress,
    save_checkpoint,
    what_is_safe,
)
from crn_hub.training.stages import PRESETS, Stage, plan_stages
from crn_hub.training.watching import (
    TrainingLog,
    check_trackers,
    hardware,
    peak_memory,
    sample_grid,
    start_trackers,
    timed,
    track_grid,
    validate,
)

SCENES_PER_EPOCH, SCENE_STEPS, EPOCHS = 600, 1200, 200  # lengths of training where none is given; 200 as in the paper
CALIBRATION_BATCHES = 8
EMA_DECAY = 0.999
GRID_ROWS = 4
SMALLEST_SCENE = 32  # pixels of height
REHEARSED_STEPS = 2
CACHE_SHARE = 0.25  # of the free memory, for decoded photographs
LEFT_OUT = "left_out_rows.txt"
# Settings of which the result does not depend, so that a resumed run may have others without a word.
FREE_SETTINGS = {
    "output_dir", "resume_from_checkpoint", "checkpointing_steps", "checkpoints_total_limit", "report_to",
    "push_to_hub", "hub_model_id", "dataloader_num_workers", "dry_run",
}  # fmt: skip

Tensors = tuple[Tensor, ...] | list[Tensor]
Positive = Parameter(validator=Number(gte=1))


@Parameter(name="*")
@dataclass(kw_only=True)
class Arguments:
    """What can be said on the command line."""

    preset: Literal["paper-256p", "paper-512p", "paper-1024p"] | None = None
    """The paper's settings for a resolution; what else is given on the command line goes before them."""
    dataset_name: str | None = None
    """Hub id or folder of a data set; procedural street scenes if left out."""
    image_column: str = "image"
    """Column with the photographs."""
    label_column: str = "label"
    """Column with the label maps: ids, a palette PNG or class colours."""
    classes: str | None = None
    """Preset (cityscapes, camvid) or classes.json; by default the classes.json beside the data."""
    skip_bad_rows: bool = False
    """Leave out rows that cannot be used, and list them, instead of stopping at the first."""
    max_train_samples: Annotated[int | None, Positive] = None
    """Only so many rows of the data set, for trials."""
    dataloader_num_workers: Annotated[int, Parameter(validator=Number(gte=0))] = 0
    """Processes that prepare pairs; 0 for the training's own."""
    random_flip: bool = False
    """Mirror every other pair."""
    color_jitter: Annotated[float, Parameter(validator=Number(gte=0, lt=1))] = 0.0
    """How far brightness, contrast and saturation vary; 0.1 is mild."""
    output_dir: Path = Path("crn-out")
    """Folder for the trained model, its card, grids and checkpoints."""
    resolution: Annotated[int | None, Positive] = None
    """Height of the images in pixels, 4 * 2 ** (number of modules - 1); the width is twice that. 64 by default."""
    widths: Annotated[tuple[int, ...] | None, Parameter(consume_multiple=True)] = None
    """Channels of each module, coarse to fine; by default a table by resolution."""
    stages: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = ()
    """Train coarse, then grow: heights, each with its steps if they differ, such as 64:1500 128:600 256:500."""
    num_images: Annotated[int | None, Positive] = None
    """k, different images per layout; by default that of --init_from, else 1."""
    init_from: str | None = None
    """Model folder or Hub id to start from; a shorter cascade is grown, classes are matched by name."""
    train_modules: str = "all"
    """Modules to train: all, or last:N, which leaves the coarser ones as they are."""
    train_batch_size: Annotated[int, Positive] = 1
    """Images per step and process."""
    gradient_accumulation_steps: Annotated[int, Positive] = 1
    """Batches per optimiser step."""
    learning_rate: Annotated[float, Parameter(validator=Number(gt=0))] = 3e-4
    """Of Adam; the paper's is 1e-4."""
    lr_scheduler: Literal["constant", "linear", "cosine"] = "cosine"
    """How the learning rate goes to 0 by the end of a stage, or stays."""
    max_grad_norm: Annotated[float | None, Parameter(validator=Number(gt=0))] = None
    """Shorten gradients that are longer than this."""
    max_train_steps: Annotated[int | None, Positive] = None
    """Optimiser steps of each stage; overrides --num_train_epochs."""
    num_train_epochs: Annotated[int | None, Positive] = None
    """Passes over the data in each stage; 200 by default (scenes: 1200 steps)."""
    seed: Annotated[int, Parameter(validator=Number(gte=0))] = 0
    """Of weights, order and augmentation."""
    use_ema: bool = False
    """Average the weights over the steps and save the average."""
    perceptual_net: str = "vgg16"
    """vgg16 (in the box), vgg19, timm/vgg16.tv_in1k (from the Hub) or a safetensors file."""
    loss_weights: Literal["calibrate", "cityscapes-256p", "cityscapes-512p", "cityscapes-1024p", "gta5-256p"] = (
        "calibrate"
    )
    """Measured so that each term counts as much, or those of a published checkpoint, for its own feature network."""
    calibration_step: Annotated[int | None, Parameter(validator=Number(gte=0))] = None
    """Measure the loss weights after this step of each stage, all being 1 before; 0, at the start, by default."""
    calibration_epoch: Annotated[float | None, Parameter(validator=Number(gt=0))] = None
    """The same in epochs; 100 in the paper."""
    mixed_precision: Literal["no", "fp16", "bf16"] | None = None
    """For the cascade; the loss stays in float32. By default what accelerate was configured for, else no."""
    gradient_checkpointing: bool = False
    """Keep less of each module for the gradient and compute it again: less memory, more time."""
    loss_image_by_image: bool = False
    """With several images per layout, keep the features of one at a time: less memory, more time."""
    channels_last: bool = False
    """Keep the cascade's numbers pixel by pixel: faster on GPUs with mixed precision, slower on CPUs."""
    torch_compile: bool = False
    """Compile network and features: minutes at the start, faster steps."""
    allow_tf32: bool = False
    """Multiply float32 with fewer digits on NVIDIA GPUs that can: faster."""
    checkpointing_steps: Annotated[int, Positive] = 500
    """Steps between checkpoints."""
    checkpoints_total_limit: Annotated[int | None, Positive] = 2
    """How many checkpoints stay."""
    resume_from_checkpoint: str | None = None
    """A checkpoint's folder, or "latest": the last in the output folder, or the beginning if there is none yet."""
    validation_steps: Annotated[int, Positive] = 250
    """Steps between grids and validation losses on held-out rows."""
    report_to: Annotated[tuple[Literal["tensorboard", "trackio", "wandb"], ...], Parameter(consume_multiple=True)] = ()
    """Trackers that get numbers and grids as well."""
    push_to_hub: bool = False
    """Upload the result."""
    hub_model_id: str | None = None
    """organisation/name on the Hub; the output folder's name by default."""
    dry_run: bool = False
    """Try everything with two steps of each stage, leave nothing behind, and say what the run will take."""


def apply_preset(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Fills in what the command line leaves open from the preset that it names."""
    given = {argument.name: argument.tokens[0].value for argument in arguments if argument.tokens}
    if (name := given.get("--preset")) in PRESETS:
        settings = PRESETS[name].copy()
        if {"--calibration_step", "--loss_weights"} & set(given):
            settings.pop("calibration_epoch", None)
        Dict(settings, source=f"--preset {name}")(app, commands, arguments)


app = App(
    name="train_accelerate.py",
    default_parameter=Parameter(name_transform=lambda name: name, negative=()),
    config=[apply_preset],
)


@app.default
def main(args: Arguments = Arguments()) -> None:  # noqa: B008 - cyclopts takes the defaults from it
    """Train a cascaded refinement network on pairs of photograph and label map.

    Example: accelerate launch train_accelerate.py --dataset_name org/streets --resolution 256
    """
    if args.dry_run:
        rehearse(args)
    else:
        Training(args).run()


class Training:
    """One run: everything that can be wrong is found here, before the first step.

    Args:
        args: the command line.
        rehearsed_steps: run only so many steps of each stage.
    """

    def __init__(self, args: Arguments, rehearsed_steps: int | None = None):
        self.args, self.rehearsed_steps = args, rehearsed_steps
        self.cost: dict[str, float] = {}  # seconds of the last step, validation and checkpoint; bytes of memory
        self.costs: list[dict[str, float]] = []  # the same at the end of each stage
        check_trackers(args.report_to)
        self.accelerator = Accelerator(
            mixed_precision=args.mixed_precision,
            gradient_accumulation_steps=args.gradient_accumulation_steps,
            log_with=list(args.report_to) or None,
            project_dir=args.output_dir / "logs",
            # The order of rows is a function of (seed, epoch): a resumed run goes on with the rows that were due.
            dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True, data_seed=args.seed),
        )
        self.settings = {name: public(value) for name, value in asdict(args).items()}
        self.settings["mixed_precision"] = self.accelerator.mixed_precision
        self.settings["num_processes"] = self.accelerator.num_processes
        if self.accelerator.device.type == "cpu":
            if self.accelerator.mixed_precision == "fp16":
                raise ValueError("--mixed_precision fp16 needs a GPU; right on a CPU are no and bf16.")
            if self.accelerator.num_processes == 1:
                use_all_cores()
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = args.allow_tf32

        self.hub_id = hub_name(args)
        self.checkpoint = find_checkpoint(args.output_dir, args.resume_from_checkpoint)
        if args.preset in ("paper-512p", "paper-1024p") and args.init_from is None:
            raise ValueError(f"--preset {args.preset} grows a model of half the height: give it with --init_from.")
        self.start_model = CRN.from_pretrained(args.init_from) if args.init_from is not None else None
        self.base_size = self.start_model.base_size if self.start_model else (4, 8)
        self.num_images = args.num_images or (self.start_model.num_images if self.start_model else 1)
        stages = plan_stages(args.resolution, args.widths, args.stages, self.start_model)
        if args.calibration_step is not None and args.calibration_epoch is not None:
            raise ValueError("--calibration_step and --calibration_epoch say the same; give one of them.")
        self.trained_modules = read_train_modules(args.train_modules, len(stages[0].widths))
        if self.trained_modules is not None and self.start_model is None:
            raise ValueError(f"--train_modules {args.train_modules}: the others come from a model: give --init_from.")
        if args.loss_weights in PUBLISHED_WEIGHTS and (args.calibration_step, args.calibration_epoch) != (None, None):
            raise ValueError(f"--loss_weights {args.loss_weights} are not measured: leave the calibration out.")
        features = load_features(args.perceptual_net)

        if args.dataset_name is None:
            count = min(SCENES_PER_EPOCH, args.max_train_samples or SCENES_PER_EPOCH)
            if stages[-1].height < SMALLEST_SCENE:
                raise ValueError(
                    f"--resolution {stages[-1].height}: street scenes are at least {SMALLEST_SCENE} pixels high."
                )
            rows, held_out, self.classes = scene_rows(count, (stages[-1].height, 2 * stages[-1].height))
            if args.classes is not None and ClassSet.load(args.classes) != self.classes:
                raise ValueError(
                    f"--classes {args.classes}: the street scenes have the classes of CamVid; leave it out."
                )
            columns, self.licence = ("image", "label"), None
        else:
            columns = (args.image_column, args.label_column)
            with self.accelerator.main_process_first():
                rows, held_out = load_rows(args.dataset_name, *columns, args.max_train_samples)
            self.classes = find_classes(args.dataset_name, args.classes)
            self.licence = dataset_license(args.dataset_name)
        self.loss = PerceptualLoss(
            features.to(memory_format=torch.channels_last), len(self.classes), args.loss_image_by_image
        ).to(self.accelerator.device)
        if args.loss_weights in PUBLISHED_WEIGHTS:
            self.loss.use_published_weights(args.loss_weights)

        base_size = (self.base_size[0], self.base_size[1])
        memory = int(CACHE_SHARE * psutil.virtual_memory().available / self.accelerator.num_processes)
        self.data = PairDataset(
            rows,
            self.classes,
            base_size,  # that of each stage is set when it begins
            *columns,
            seed=args.seed,
            random_flip=args.random_flip,
            color_jitter=args.color_jitter,
            cache_bytes=memory,
        )
        self.held_out = PairDataset(held_out, self.classes, base_size, *columns, called="held-out row")
        try:
            self.left_out = self.check_rows(memory)
        except LayoutError as error:
            hint = "" if args.skip_bad_rows else " --skip_bad_rows leaves such rows out and lists them."
            raise LayoutError(f"{error}{hint}") from error
        first_pairs = [*self.data.decode(self.data.used[0]), *self.held_out.decode(self.held_out.used[0])]

        batches = -(-len(self.data) // args.train_batch_size)
        batches_each = -(-batches // self.accelerator.num_processes)
        self.steps_per_epoch = -(-batches_each // args.gradient_accumulation_steps)
        steps = args.max_train_steps or (
            SCENE_STEPS
            if args.dataset_name is None and args.num_train_epochs is None
            else (args.num_train_epochs or EPOCHS) * self.steps_per_epoch
        )
        self.stages = [replace(stage, steps=stage.steps or steps) for stage in stages]
        shortest = min(cast(int, stage.steps) for stage in self.stages)
        self.calibration_step = args.calibration_step or round((args.calibration_epoch or 0) * self.steps_per_epoch)
        if self.calibration_step >= shortest:
            raise ValueError(
                f"the loss weights would be measured after step {self.calibration_step}, but a stage has only "
                f"{shortest} steps; give a smaller --calibration_step, or 0 for the beginning."
            )

        # What must not change when a run is resumed.
        self.facts = {
            "data": public(args.dataset_name),
            "rows": len(rows),
            "rows_left_out": len(self.left_out),
            "checksum_of_two_rows": zlib.crc32(b"".join(array.tobytes() for array in first_pairs)),
            "classes": list(self.classes.names),
            "heights": [stage.height for stage in stages],
            "widths": list(stages[-1].widths),
            "base_size": list(self.base_size),
            "num_images": self.num_images,
            "perceptual_net": public(args.perceptual_net),
            "use_ema": args.use_ema,
            "train_modules": args.train_modules,
            "seed": args.seed,
        }
        self.progress = self.read_progress(self.checkpoint) if self.checkpoint else None
        done = steps_of_model(args.output_dir) == self.limit(self.stages[-1])
        self.finished = done and args.resume_from_checkpoint == "latest" and rehearsed_steps is None
        if self.checkpoint is None and not self.finished and (args.output_dir / WEIGHTS).exists():
            raise FileExistsError(
                f"{args.output_dir} holds a trained model and no checkpoint to go on from: give another --output_dir."
            )
        if args.push_to_hub and self.accelerator.is_main_process:
            with pushing(f"--push_to_hub: {self.hub_id} cannot be created"):
                self.hub_id = HfApi().create_repo(self.hub_id, exist_ok=True).repo_id
        with torch.device("meta"):
            largest = CRN(self.classes, stages[-1].widths, self.base_size, self.num_images)
        if self.accelerator.is_main_process:
            clear_leftovers(args.output_dir)
        self.accelerator.wait_for_everyone()
        check_room(args.output_dir, largest.num_parameters, args.checkpoints_total_limit)

    def check_rows(self, memory: int) -> list[str]:
        """Checks the rows that are shown, and all rows if they fit into memory or if bad ones are to be left out.

        Returns what is wrong with each row that is left out.
        """
        if self.args.dataset_name is None:  # scenes are never bad, and drawing them takes time
            return []
        skip = self.args.skip_bad_rows
        shown = self.held_out.used if skip else spread(len(self.held_out), 2 * GRID_ROWS)
        bad = [*self.held_out.check(shown, skip).values()]
        if skip or sum(array.nbytes for array in self.data.decode(0)) * len(self.data) <= memory:
            silent = not self.accelerator.is_main_process
            rows = tqdm(self.data.used, desc="checking rows", unit="row", disable=silent)
            bad += self.data.check(rows, skip).values()
        if bad:
            self.accelerator.print(f"rows left out: {len(bad)}", *bad, sep="\n  ")
        return bad

    def read_progress(self, checkpoint: Path) -> dict[str, Any]:
        """What the checkpoint says of its run; refused if this is another one."""
        progress = read_progress(checkpoint, self.facts)
        before, stage = sum(map(self.limit, self.stages[: progress["stage"]])), self.stages[progress["stage"]]
        if progress["first_step"] != before:
            raise ValueError(
                f"{checkpoint}: stages before {stage.height}p had {progress['first_step']} steps, now {before}."
            )
        if (done := progress["step"] - before) > self.limit(stage):
            raise ValueError(f"{checkpoint} is at step {done}, after the {self.limit(stage)} steps asked for.")
        then = progress["settings"]
        if changed := [
            f"{name} {then.get(name)} -> {value}"
            for name, value in self.settings.items()
            if name not in FREE_SETTINGS and then.get(name) != value
        ]:
            self.accelerator.print(f"other settings than before: {', '.join(changed)}")
        return progress

    def limit(self, stage: Stage) -> int:
        """How many steps of a stage are run."""
        return cast(int, stage.steps) if self.rehearsed_steps is None else self.rehearsed_steps

    def run(self) -> None:
        """Trains all stages and saves the model; if that has been done, only uploads it."""
        args, accelerator = self.args, self.accelerator
        if self.finished:
            accelerator.print(f"this run has finished; the model is in {args.output_dir}")
            if args.push_to_hub and accelerator.is_main_process:
                print(CRN.from_pretrained(args.output_dir).push_to_hub(self.hub_id, folder=args.output_dir))
            accelerator.end_training()
            return
        if accelerator.is_main_process and self.left_out:
            (args.output_dir / LEFT_OUT).write_text("\n".join(self.left_out) + "\n")
        if args.resume_from_checkpoint is not None and self.checkpoint is None:
            accelerator.print(f"{args.output_dir} holds no checkpoint yet: beginning at the beginning")
        step = self.progress["step"] if self.progress else 0
        fresh_name = f"{args.output_dir.resolve().name}-{time.strftime('%Y%m%d-%H%M%S')}"
        self.run_name = self.progress["run_name"] if self.progress else fresh_name
        resumed_from = (self.checkpoint.parent, step) if self.checkpoint else None
        self.log = TrainingLog(args.output_dir, resumed_from, accelerator.is_main_process)
        if args.report_to:
            start_trackers(accelerator, self.run_name, self.settings, step)

        model, first_step = self.start_model, 0
        stop = StopRequest()
        with stop if self.rehearsed_steps is None else nullcontext():  # a rehearsal has nothing to save
            for number, stage in enumerate(self.stages):
                if self.progress and number < self.progress["stage"]:
                    first_step = self.progress["first_step"]
                    continue
                try:
                    model = self.train_stage(number, first_step, model, stop)
                except OSError as error:  # a full disk, mostly: without the file's name
                    raise OSError(
                        f"--output_dir {args.output_dir}: {clause(error)}; {what_is_safe(args.output_dir)}."
                    ) from error
                first_step += self.limit(stage)
        result = cast(CRN, model)
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            save_picture(
                sample_grid(result, self.pairs_to_show()[:GRID_ROWS]), args.output_dir / "samples/held-out.png"
            )
            self.log.draw()
            result.save_pretrained(args.output_dir)
            if args.push_to_hub:
                print(result.push_to_hub(self.hub_id, folder=args.output_dir))
            if self.rehearsed_steps is None:
                print(f"the model is in {args.output_dir}")
        accelerator.wait_for_everyone()
        if self.rehearsed_steps is None:
            accelerator.end_training()

    def train_stage(self, number: int, first_step: int, start: CRN | None, stop: StopRequest) -> CRN:
        """Trains one stage, from `start` or from the checkpoint, and returns its model.

        Steps are counted through all stages; `first_step` are in those before.
        """
        args, accelerator, loss_function, log = self.args, self.accelerator, self.loss, self.log
        stage, began = self.stages[number], time.perf_counter()
        last_step = first_step + self.limit(stage)
        set_seed(args.seed + number)  # also when the stage before was not run in this process

        # -- model, data, optimiser ---------------------------------------------------------------------
        network = CRN(self.classes, stage.widths, self.base_size, self.num_images)
        resumed = self.progress if self.progress and self.progress["stage"] == number else None
        if start is not None and not resumed:
            taken = network.grow_from(start.cpu())
            source = args.init_from if number == 0 else "the stage before"
            known = self.classes.translation_to(start.classes) != UNLABELLED
            new = [name for name, there in zip(self.classes.names, known, strict=False) if not there]
            accelerator.print(
                f"{taken} of {len(stage.widths)} modules start from {source}"
                + (f"; classes that are new to them: {', '.join(new)}" if new else "")
            )
        if self.trained_modules is not None:
            network.train_only_last(self.trained_modules)
        network.gradient_checkpointing = args.gradient_checkpointing
        if args.channels_last:
            network = network.to(memory_format=torch.channels_last)
        self.data.size = self.held_out.size = network.size
        workers: dict[str, Any] = {"num_workers": args.dataloader_num_workers}
        if args.dataloader_num_workers:
            workers["worker_init_fn"] = prepare_worker
            if sys.platform == "linux":  # where workers share the decoded photographs with this process
                workers["multiprocessing_context"] = "fork"
        loader = DataLoader(self.data, batch_size=args.train_batch_size, shuffle=True, **workers)
        optimizer = torch.optim.Adam((p for p in network.parameters() if p.requires_grad), lr=args.learning_rate)
        ema = AveragedModel(network, accelerator.device, multi_avg_fn=ema_update) if args.use_ema else None
        model, optimizer, loader = accelerator.prepare(network, optimizer, loader)
        if args.torch_compile:
            network.compile()
            loss_function.features.compile()
        course = {
            "constant": lambda done: 1.0,
            "linear": lambda done: 1 - done,
            "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
        }[args.lr_scheduler]
        calibration_step = self.calibration_step
        first_epoch = -(-first_step // self.steps_per_epoch)
        pairs = self.pairs_to_show()

        # -- resume, or begin ---------------------------------------------------------------------------
        step, seconds_before, started_from = first_step, 0.0, start.training_record if start is not None else None
        if resumed and self.checkpoint:
            saved = load_checkpoint(accelerator, self.checkpoint)
            if ema is not None:
                ema.module.load_state_dict(saved.state_dict())
                ema.n_averaged.fill_(resumed["step"] - first_step)
            step, seconds_before = resumed["step"], resumed["seconds"]
            started_from = saved.training_record.get("started_from")
            loss_function.layer_weights.copy_(torch.tensor(resumed["layer_weights"]))
            accelerator.print(f"resumed from {self.checkpoint} at step {step}")
        elif args.loss_weights == "calibrate":
            loss_function.layer_weights.fill_(1.0)
            if calibration_step == 0:
                self.data.set_epoch(first_epoch)
                self.calibrate(model)

        def current_model() -> CRN:
            """The model to save and to look at: the average if there is one."""
            return cast(CRN, ema.module if ema is not None else network)

        def finished_model() -> CRN:
            """The same, with the record of its training so far."""
            result = current_model()
            result.training_record = {
                "dataset": public(args.dataset_name) or "procedural street scenes",
                "hub_dataset": args.dataset_name
                if args.dataset_name and not Path(args.dataset_name).exists()
                else None,
                "license": self.licence,
                "settings": self.settings
                | {"resolution": stage.height, "widths": list(stage.widths), "num_images": self.num_images},
                "result": {
                    "steps": step - first_step,
                    "epochs": round((step - first_step) / self.steps_per_epoch, 2),
                    "images_per_step": images_per_step,
                    "rows_left_out": len(self.left_out),
                    "hours": round((seconds_before + time.perf_counter() - began) / 3600, 3),
                    "hardware": hardware(accelerator),
                    "peak_memory_gb": round(peak_memory(accelerator.device) / 1e9, 2),
                    "validation_loss": log.validation_loss(after=first_step),
                },
                "loss_weights": dict(zip(LAYERS, loss_function.layer_weights.tolist(), strict=True)),
            }
            if started_from is not None:
                result.training_record["started_from"] = started_from
            return result

        def save() -> None:
            """Writes a checkpoint of the step that is done."""
            saving = time.perf_counter()
            for name, weight in network.named_parameters():  # a step of finite gradients may still lead beyond numbers
                if not weight.isfinite().all():
                    raise self.no_number(step, rows, f"weight {name}", weight.sum())
            progress = {
                "step": step,
                "stage": number,
                "first_step": first_step,
                "seconds": seconds_before + time.perf_counter() - began,
                "layer_weights": loss_function.layer_weights.tolist(),
                "run_name": self.run_name,
                "settings": self.settings,
                "facts": self.facts,
            }
            save_checkpoint(accelerator, args.output_dir, finished_model(), progress, args.checkpoints_total_limit)
            self.cost["checkpoint"] = time.perf_counter() - saving

        # -- the loop -----------------------------------------------------------------------------------
        images_per_step = args.train_batch_size * accelerator.num_processes * args.gradient_accumulation_steps
        progress_bar = tqdm(
            total=last_step - first_step,
            initial=step - first_step,
            desc=f"{stage.height}p" + (f", stage {number + 1} of {len(self.stages)}" if len(self.stages) > 1 else ""),
            unit="step",
            dynamic_ncols=True,
            disable=not accelerator.is_main_process,
        )
        with progress_bar as bar:  # an error's one line stands on a line of its own
            tick, waited = time.perf_counter(), 0.0
            rows, losses = [], []  # of the batches that make a step
            while step < last_step:
                done = step - first_step
                epoch = first_epoch + done // self.steps_per_epoch
                loader.set_epoch(epoch)
                self.data.set_epoch(epoch)  # with several processes accelerate leaves this out
                due = (done % self.steps_per_epoch) * args.gradient_accumulation_steps
                for seconds, batch in timed(accelerator.skip_first_batches(loader, due) if due else loader):
                    waited += seconds
                    rows += batch["row"].tolist()
                    with accelerator.accumulate(model):
                        for group in optimizer.param_groups:
                            group["lr"] = args.learning_rate * course((step - first_step) / cast(int, stage.steps))
                        loss, terms = loss_function(model(batch["ids"]), batch["photograph"], batch["ids"])
                        losses.append(torch.stack([loss.detach(), *terms.values()]))
                        if not torch.isfinite(loss):
                            raise self.no_number(step + 1, rows, "loss", loss)
                        accelerator.backward(loss)
                        if accelerator.sync_gradients:
                            norm = accelerator.clip_grad_norm_(model.parameters(), args.max_grad_norm or math.inf)
                            # The scaler of fp16 tries larger and larger scales and skips steps that were too large.
                            if not torch.isfinite(norm) and accelerator.scaler is None:
                                raise self.no_number(step + 1, rows, "gradient", norm)
                        optimizer.step()
                        optimizer.zero_grad()
                    if not accelerator.sync_gradients:
                        continue
                    step += 1
                    if ema is not None:
                        ema.update_parameters(network)

                    spent = time.perf_counter() - tick
                    means = cast(Tensor, accelerator.reduce(torch.stack(losses).mean(dim=0), "mean")).tolist()
                    entry: dict[str, Any] = {"step": step, "height": stage.height}
                    entry |= dict(zip(("loss", *LAYERS), means, strict=True))
                    entry |= {
                        "learning_rate": optimizer.param_groups[0]["lr"],
                        "gradient_norm": norm.item(),
                        "images_per_second": images_per_step / spent,
                        "data_share": waited / spent,
                        "memory_gb": peak_memory(accelerator.device) / 1e9,
                    }
                    if step == first_step + 1 or step == first_step + calibration_step + 1:
                        entry["loss_weights"] = loss_function.layer_weights.tolist()
                    if step % args.validation_steps == 0 or step == last_step:
                        validating = time.perf_counter()
                        entry["validation_loss"] = validate(current_model(), loss_function, pairs)
                        if accelerator.is_main_process:
                            grid = sample_grid(current_model(), pairs[:GRID_ROWS])
                            save_picture(grid, args.output_dir / f"grids/step-{step:06d}.png")
                            track_grid(accelerator, grid, step)
                        self.cost["validation"] = time.perf_counter() - validating
                    log.add(entry)
                    if "validation_loss" in entry:
                        log.draw()
                    accelerator.log({k: v for k, v in entry.items() if k not in ("step", "loss_weights")}, step=step)
                    if step == first_step + calibration_step and args.loss_weights == "calibrate":
                        self.calibrate(model)

                    bar.update()
                    shown = {name: f"{entry[name]:.3f}" for name in ("loss", *LAYERS)}
                    bar.set_postfix({**shown, "img/s": f"{entry['images_per_second']:.2f}"})
                    self.cost["step"] = spent
                    ends = step == last_step
                    if ends and number + 1 == len(self.stages):
                        break  # the model itself is saved next
                    stopping = self.asked_to_stop(stop)
                    if stopping or ends or step % args.checkpointing_steps == 0:
                        save()
                    if stopping:
                        self.end_early(stop, step)
                    if ends:
                        break
                    tick, waited = time.perf_counter(), 0.0
                    rows, losses = [], []
        self.cost["memory"] = peak_memory(accelerator.device)
        self.costs.append(self.cost.copy())
        result = finished_model()
        accelerator.free_memory()
        return result

    @torch.no_grad()
    def calibrate(self, model: torch.nn.Module) -> None:
        """Measures the loss weights on rows spread over the data; they are 1 until then."""
        errors = torch.zeros(len(LAYERS), device=self.accelerator.device)
        for index in range(CALIBRATION_BATCHES):
            pair = self.data[index * len(self.data) // CALIBRATION_BATCHES]
            ids, photograph = (pair[name][None].to(self.accelerator.device) for name in ("ids", "photograph"))
            errors += torch.stack(list(self.loss(model(ids), photograph, ids)[1].values()))
        self.loss.calibrate(self.accelerator.reduce(errors / CALIBRATION_BATCHES, "mean"))
        weights = zip(LAYERS, self.loss.layer_weights.tolist(), strict=True)
        self.accelerator.print("loss weights: " + ", ".join(f"{layer} {weight:.3g}" for layer, weight in weights))

    def pairs_to_show(self) -> list[dict[str, Any]]:
        """The held-out pairs that grids and validation losses are made of."""
        return [self.held_out[i] for i in spread(len(self.held_out), 2 * GRID_ROWS)]

    def no_number(self, step: int, rows: list[int], what: str, value: Tensor) -> RuntimeError:
        """What to raise when a loss or gradient is infinite or no number."""
        return RuntimeError(
            f"step {step}, rows {', '.join(map(str, rows))}: the {what} is {value.item()}; a smaller "
            f"--learning_rate or --max_grad_norm may help; {what_is_safe(self.args.output_dir)}."
        )

    def asked_to_stop(self, stop: StopRequest) -> bool:
        """Whether a signal has come, to any of the processes: all of them stop after the same step."""
        if self.accelerator.num_processes == 1:
            return stop.signal is not None
        heard = torch.tensor(float(stop.signal is not None), device=self.accelerator.device)
        return cast(Tensor, self.accelerator.reduce(heard, "sum")).item() > 0

    def end_early(self, stop: StopRequest, step: int) -> NoReturn:
        """Ends the process as its signal would have, the checkpoint being saved."""
        number = stop.signal or signal.SIGTERM
        self.accelerator.print(
            f"stopped by {number.name}: checkpoint-{step} is saved; --resume_from_checkpoint latest goes on from it"
        )
        self.accelerator.end_training()
        sys.exit(128 + number)


def rehearse(args: Arguments) -> None:
    """Two steps of each stage with validation, saving and loading; then says what the whole run will take."""
    find_checkpoint(args.output_dir, args.resume_from_checkpoint)
    check_trackers(args.report_to)
    hub_name(args)
    made = [path for path in (args.output_dir, *args.output_dir.parents) if not path.exists()]
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
        training = Training(trial, REHEARSED_STEPS)
        ready = time.perf_counter() - began
        training.run()
        Training(replace(trial, resume_from_checkpoint="latest"), REHEARSED_STEPS).run()
        CRN.from_pretrained(folder)
        training.accelerator.wait_for_everyone()
    finally:
        if is_main:
            shutil.rmtree(folder, ignore_errors=True)
            for path in made:
                with suppress(OSError):  # not empty: others have written there
                    path.rmdir()
    training.accelerator.end_training()
    total = ready
    say = training.accelerator.print
    for stage, cost in zip(training.stages, training.costs, strict=True):
        steps = cast(int, stage.steps)
        validations, saves = -(-steps // args.validation_steps), -(-steps // args.checkpointing_steps)
        seconds = steps * cost["step"] + validations * cost["validation"] + saves * cost["checkpoint"]
        total += seconds
        say(
            f"{stage.height}p: {steps:,} steps of {cost['step']:.2g} s, {validations} validations of "
            f"{cost['validation']:.2g} s, {saves} checkpoints of {cost['checkpoint']:.2g} s: "
            f"{duration(seconds / 3600)}; peak memory {cost['memory'] / 1e9:.2g} GB"
        )
    say(f"dry run: built, trained, validated, saved, loaded; the whole run will take about {duration(total / 3600)}")


def hub_name(args: Arguments) -> str:
    """The name on the Hub, checked if it will be needed."""
    name = args.hub_model_id or args.output_dir.resolve().name
    if args.push_to_hub:
        try:
            check_repo_id(name)
        except ValueError as error:
            raise ValueError(f"--hub_model_id: {error}") from error
    return name


def steps_of_model(folder: Path) -> int | None:
    """How many steps the last stage of the trained model in a folder had; None if no whole model is there.

    training.json is the last file that a run writes.
    """
    try:
        return cast(int, json.loads((folder / TRAINING_RECORD).read_text())["result"]["steps"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_train_modules(text: str, modules: int) -> int | None:
    """How many of the last modules to train; None for all."""
    if text == "all":
        return None
    if (match := re.fullmatch(r"last:([1-9]\d*)", text)) and int(match[1]) <= modules:
        return int(match[1])
    raise ValueError(f"--train_modules {text}: right is all, or last:N with N from 1 to {modules}.")


def use_all_cores() -> None:
    """The launcher leaves one thread unless told otherwise; takes all cores that this process may run on."""
    if torch.get_num_threads() == 1:
        torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def ema_update(averages: Tensors, weights: Tensors, count: Tensor | int) -> None:
    """averages += (1 - decay) * (weights - averages); the decay grows to EMA_DECAY so that early weights fade soon."""
    decay = min(EMA_DECAY, (1 + int(count)) / (10 + int(count)))
    torch._foreach_lerp_(averages, weights, 1 - decay)


def spread(length: int, count: int) -> list[int]:
    """`count` indices spread evenly over 0..length-1, or all if there are fewer."""
    count = min(count, length)
    return [i * length // count for i in range(count)]


def public(value: Any) -> Any:
    """A setting as it may be published in the training record: of a local file or folder only the name."""
    if isinstance(value, Path) or (isinstance(value, str) and Path(value).exists()):
        return Path(value).resolve().name
    return list(value) if isinstance(value, tuple) else value


if __name__ == "__main__":
    run(app)
