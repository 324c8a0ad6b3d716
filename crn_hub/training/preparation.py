"""What a training run needs, built and checked: everything that can be wrong is found before the first step."""

import json
import math
import os
import re
import zlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import psutil
import torch
from accelerate import Accelerator, DataLoaderConfiguration
from huggingface_hub import HfApi
from tqdm import tqdm

from crn_hub.classes import ClassSet, LayoutError
from crn_hub.data import PairDataset, dataset_license, find_classes, load_rows, scene_rows, spread
from crn_hub.fingerprint import fingerprint
from crn_hub.hub.client_errors import push_errors
from crn_hub.hub.model_folder import TRAINING_RECORD, WEIGHTS
from crn_hub.hub.source import check_repo_id
from crn_hub.losses import PUBLISHED_WEIGHTS, AdversarialLoss, ImageLoss, Loss, PerceptualLoss, SegmentationLoss
from crn_hub.networks import PatchDiscriminator
from crn_hub.networks.cascade import CRN
from crn_hub.networks.fixed_size import FixedSizeNetwork
from crn_hub.networks.hub_model import HubModel
from crn_hub.segmentation import load_segmenter
from crn_hub.training.arguments import FREE_SETTINGS, PERCEPTUAL_SETTINGS, Arguments, public
from crn_hub.training.checkpoints import BEFORE_A_CHOICE, check_room, clear_leftovers, find_checkpoint, read_progress
from crn_hub.training.stages import Stage, plan_only_stage, plan_stages
from crn_hub.training.systems import SYSTEMS
from crn_hub.training.watching import check_trackers
from crn_hub.vgg import LAYERS, FeatureNetwork, load_features

SCENES_PER_EPOCH, SCENE_STEPS, EPOCHS = 600, 1200, 200  # lengths of training where none is given; 200 as in the paper
SMALLEST_SCENE = 32  # pixels of height
GRID_ROWS = 4  # held-out layouts in a grid; twice as many make the validation loss
CACHE_SHARE = 0.25  # of the free memory, for decoded photographs


class Preparation:
    """Accelerator, start model, loss, data, stages, and the checkpoint to go on from.

    Args:
        args: the command line.
        rehearsed_steps: run only so many steps of each stage.

    Raises:
        ValueError, FileNotFoundError, FileExistsError, ConnectionError, OSError: one sentence on what is wrong.
    """

    def __init__(self, args: Arguments, rehearsed_steps: int | None = None):
        self.system = SYSTEMS[args.system]
        args = replace(
            args,
            learning_rate=args.learning_rate or self.system.learning_rate,
            adam_beta1=self.system.adam_beta1 if args.adam_beta1 is None else args.adam_beta1,
        )
        self.args, self.rehearsed_steps = args, rehearsed_steps
        check_trackers(args.report_to)
        self.accelerator = Accelerator(
            mixed_precision=args.mixed_precision,
            gradient_accumulation_steps=args.gradient_accumulation_steps,
            log_with=list(args.report_to) or None,
            project_dir=args.output_dir / "logs",
            # The order of rows is a function of (seed, epoch): a resumed run goes on with the rows that were due.
            dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True, data_seed=args.seed),
        )
        self.check_system()
        unknown = () if self.system.loss == "perceptual" else PERCEPTUAL_SETTINGS
        self.settings = {name: public(value) for name, value in asdict(args).items() if name not in unknown}
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
        is_cascade = issubclass(self.system.generator, CRN)
        if is_cascade and args.preset in ("paper-512p", "paper-1024p") and args.init_from is None:
            raise ValueError(f"--preset {args.preset} grows a model of half the height: give it with --init_from.")
        start = self.system.generator.from_pretrained(args.init_from) if args.init_from is not None else None
        self.start_model = start
        takes_several = self.system.loss == "perceptual"
        self.num_images = args.num_images or (start.num_images if start and takes_several else 1)
        if self.num_images > 1 and not takes_several:
            raise ValueError(f"--num_images {self.num_images}: the system {args.system} makes one image per layout.")
        if is_cascade:
            self.base_size = start.base_size if isinstance(start, CRN) else (4, 8)
            stages = plan_stages(args.resolution, args.widths, args.stages, cast(CRN | None, start))
        else:
            self.base_size = start.size if start else (4, 8)
            generator = cast(type[FixedSizeNetwork], self.system.generator)
            stages = plan_only_stage(
                generator, args.resolution, args.widths, args.stages, cast(FixedSizeNetwork | None, start)
            )
            if args.train_modules != "all":
                raise ValueError(f"--train_modules {args.train_modules}: only of a cascade; leave it out.")
        if args.calibration_step is not None and args.calibration_epoch is not None:
            raise ValueError("--calibration_step and --calibration_epoch say the same; give one of them.")
        self.trained_modules = read_train_modules(args.train_modules, len(stages[0].widths))
        if self.trained_modules is not None and self.start_model is None:
            raise ValueError(f"--train_modules {args.train_modules}: the others come from a model: give --init_from.")
        if args.loss_weights in PUBLISHED_WEIGHTS and (args.calibration_step, args.calibration_epoch) != (None, None):
            raise ValueError(f"--loss_weights {args.loss_weights} are not measured: leave the calibration out.")
        if not args.loss_layers:
            raise ValueError(f"--loss_layers names no layer; right are some of {', '.join(LAYERS)}.")
        (height, width), (coarsest, _) = self.size_of(stages[-1]), self.size_of(stages[0])
        smallest = PatchDiscriminator.SMALLEST if self.system.adversarial else 16
        least = math.ceil(smallest * height / min(height, width))
        if args.loss_window is not None and not least <= args.loss_window <= height:
            raise ValueError(
                f"--loss_window {args.loss_window}: images are {height} x {width} pixels (height x width) and no "
                f"side of the window may be below {smallest}; right is a height from {least} to {height}."
            )
        if self.system.adversarial and coarsest < least:
            raise ValueError(
                f"images of {coarsest} pixels of height are too small for the discriminator of --system {args.system}; "
                f"right is {least} or more."
            )
        features = load_features(args.perceptual_net) if self.system.loss == "perceptual" else None

        rows, held_out, columns = self.load_data(stages[-1].height)
        parameters = self.check_networks(stages)
        self.guide_fingerprint: str | None = None  # of the segmentation network
        with torch.random.fork_rng():
            torch.manual_seed(args.seed)  # of the discriminator
            self.loss = self.make_loss(features).to(self.accelerator.device)
        self.terms = (*self.loss.terms, *(("discriminator",) if self.system.adversarial else ()))

        memory = int(CACHE_SHARE * psutil.virtual_memory().available / self.accelerator.num_processes)
        self.data = PairDataset(
            rows,
            self.classes,
            self.size_of(stages[0]),  # that of each stage is set when it begins
            *columns,
            seed=args.seed,
            random_flip=args.random_flip,
            color_jitter=args.color_jitter,
            simplify_layouts=args.simplify_layouts,
            cache_bytes=memory,
        )
        self.held_out = PairDataset(held_out, self.classes, self.data.size, *columns, called="held-out row")
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
            "system": args.system,
            "data": public(args.dataset_name),
            "rows": len(rows),
            "rows_left_out": len(self.left_out),
            "checksum_of_two_rows": zlib.crc32(b"".join(array.tobytes() for array in first_pairs)),
            "classes": list(self.classes.names),
            "heights": [stage.height for stage in stages],
            "widths": list(stages[-1].widths),
            "base_size": list(self.base_size),
            "num_images": self.num_images,
            "segmenter": self.guide_fingerprint,
            "perceptual_net": public(args.perceptual_net),
            "loss_layers": list(args.loss_layers),
            "use_ema": args.use_ema,
            "train_modules": args.train_modules,
            "seed": args.seed,
        }
        self.progress = self.read_progress(self.checkpoint) if self.checkpoint else None
        self.finished = args.resume_from_checkpoint == "latest" and rehearsed_steps is None and self.has_finished()
        if self.checkpoint is None and not self.finished and (args.output_dir / WEIGHTS).exists():
            raise FileExistsError(
                f"{args.output_dir} holds a trained model and no checkpoint to go on from: give another --output_dir."
            )
        if args.push_to_hub and self.accelerator.is_main_process:
            with push_errors(f"--push_to_hub: {self.hub_id} cannot be created"):
                self.hub_id = HfApi().create_repo(self.hub_id, exist_ok=True).repo_id
        if isinstance(self.loss, AdversarialLoss):
            parameters += sum(p.numel() for p in self.loss.discriminator.parameters())
        if self.accelerator.is_main_process:
            clear_leftovers(args.output_dir)
        self.accelerator.wait_for_everyone()
        check_room(args.output_dir, parameters, args.checkpoints_total_limit)

    def check_system(self) -> None:
        """
        Raises:
            ValueError: for settings that the system doesn't know, or lacks.
        """
        args, defaults = self.args, Arguments()
        if self.system.loss != "perceptual":
            for name in PERCEPTUAL_SETTINGS:
                if getattr(args, name) != getattr(defaults, name):
                    raise ValueError(f"--{name}: the system {args.system} has no perceptual loss; leave it out.")
        scaled = self.accelerator.mixed_precision == "fp16"
        if self.system.adversarial and scaled and args.gradient_accumulation_steps > 1:
            # accelerate's one scaler may change its scale between the two steps, amid what the second has gathered
            raise ValueError(
                f"--mixed_precision fp16 and --gradient_accumulation_steps do not go together in --system "
                f"{args.system}; bf16 does, or a larger --train_batch_size."
            )
        if self.system.loss == "segmentation" and args.segmenter is None:
            raise ValueError(
                f"--system {args.system} looks at its images with a segmentation network: give one with --segmenter; "
                "crn train-segmenter makes one."
            )
        if self.system.loss == "segmentation" and args.loss_window is not None:
            raise ValueError(
                f"--loss_window: the segmentation network of --system {args.system} looks at whole images; leave it "
                "out."
            )
        if self.system.loss != "segmentation" and args.segmenter is not None:
            raise ValueError(f"--segmenter: the system {args.system} has no segmentation loss; leave it out.")

    def make_loss(self, features: FeatureNetwork | None) -> Loss:
        """The loss of the system, with its networks."""
        args, n = self.args, len(self.classes)
        loss: Loss
        if features is not None:
            features = features.to(memory_format=torch.channels_last)
            loss = PerceptualLoss(features, n, args.loss_layers, args.best_image, args.loss_image_by_image)
            if args.loss_weights in PUBLISHED_WEIGHTS:
                loss.use_published_weights(args.loss_weights)
        elif args.segmenter is not None:
            segmenter = load_segmenter(args.segmenter, self.classes)
            self.guide_fingerprint = fingerprint(segmenter, segmenter.settings)
            loss = SegmentationLoss(segmenter)
        else:
            loss = ImageLoss()
        if self.system.adversarial:
            discriminator = PatchDiscriminator(n + 1)
            if args.channels_last:
                discriminator = discriminator.to(memory_format=torch.channels_last)
            loss = AdversarialLoss(discriminator, n, loss, self.system.weight)
        return loss

    def check_networks(self, stages: list[Stage]) -> int:
        """Builds the networks without memory; returns how many parameters the largest has.

        Raises:
            ValueError: if a size or width is none for the network, or the start doesn't fit.
        """
        try:
            with torch.device("meta"):
                networks = [self.fresh_network(stage) for stage in stages]
        except ValueError as error:
            raise ValueError(f"--resolution, --widths: {error}") from error
        if self.start_model is not None:
            try:
                networks[0].check_start(self.start_model)
            except ValueError as error:
                raise ValueError(f"--init_from {self.args.init_from}: {error}") from error
        return networks[-1].num_parameters

    def fresh_network(self, stage: Stage) -> HubModel:
        """The network of a stage, with random weights."""
        size = self.size_of(stage)
        return self.system.network(self.classes, stage.widths, size, self.num_images, self.start_model)

    def size_of(self, stage: Stage) -> tuple[int, int]:
        """(height, width) of the images of a stage in pixels."""
        return stage.height, stage.height * self.base_size[1] // self.base_size[0]

    def load_data(self, height: int) -> tuple[Any, Any, tuple[str, str]]:
        """Rows to train on, rows held out, and their columns; sets classes and licence. `height` is that of scenes."""
        args = self.args
        if args.dataset_name is None:
            count = min(SCENES_PER_EPOCH, args.max_train_samples or SCENES_PER_EPOCH)
            if height < SMALLEST_SCENE:
                raise ValueError(f"--resolution {height}: street scenes are at least {SMALLEST_SCENE} pixels high.")
            rows, held_out, self.classes = scene_rows(count, (height, 2 * height))
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
        return rows, held_out, columns

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
        then = BEFORE_A_CHOICE | progress["settings"]
        if changed := [
            f"{name} {then.get(name)} -> {value}"
            for name, value in self.settings.items()
            if name not in FREE_SETTINGS and then.get(name) != value
        ]:
            self.accelerator.print(f"other settings than before: {', '.join(changed)}")
        return progress

    def has_finished(self) -> bool:
        """Whether the output folder holds the model of this very run; training.json is the last file that it writes."""
        try:
            record = json.loads((self.args.output_dir / TRAINING_RECORD).read_text())
            steps, settings = record["result"]["steps"], BEFORE_A_CHOICE | record["settings"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        of_stage = {"resolution", "widths", "num_images"}  # which the record has for the last stage
        same = all(settings.get(k) == v for k, v in self.settings.items() if k not in FREE_SETTINGS | of_stage)
        return same and steps == self.limit(self.stages[-1])

    def limit(self, stage: Stage) -> int:
        """How many steps of a stage are run."""
        return cast(int, stage.steps) if self.rehearsed_steps is None else self.rehearsed_steps

    def pairs_to_show(self) -> list[dict[str, Any]]:
        """The held-out pairs that grids and validation losses are made of."""
        return [self.held_out[i] for i in spread(len(self.held_out), 2 * GRID_ROWS)]


def hub_name(args: Arguments) -> str:
    """The name on the Hub, checked if it will be needed."""
    name = args.hub_model_id or args.output_dir.resolve().name
    if args.push_to_hub:
        try:
            check_repo_id(name)
        except ValueError as error:
            raise ValueError(f"--hub_model_id: {error}") from error
    return name


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
