"""Trains a network on pairs of photograph and label map (Chen and Koltun, ICCV 2017): the cascade, or another system.

    accelerate launch train_accelerate.py                                  # procedural street scenes, a few minutes
    accelerate launch train_accelerate.py --dataset_name org/streets --resolution 256 --output_dir crn-streets
    accelerate launch train_accelerate.py --system pix2pix --dataset_name org/streets --output_dir pix2pix-streets

Leaves a model folder that `HubModel.from_pretrained` loads, with its card, grids (layout | outputs | photograph), loss
curves and training_log.jsonl.
"""

import math
import os
import shutil
import signal
import sys
import time
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np
import torch
from accelerate.utils import set_seed
from cyclopts import App, Parameter
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from tqdm import tqdm

from crn_hub import CRN, HubModel
from crn_hub.classes import UNLABELLED
from crn_hub.cli import run
from crn_hub.losses import AdversarialLoss, PerceptualLoss
from crn_hub.pictures import save_picture
from crn_hub.text import clause, duration
from crn_hub.training.arguments import Arguments, apply_preset, public
from crn_hub.training.checkpoints import (
    StopRequest,
    find_checkpoint,
    load_checkpoint,
    prepare_worker,
    save_checkpoint,
    what_is_safe,
)
from crn_hub.training.preparation import GRID_ROWS, Preparation, hub_name
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
from crn_hub.vgg import LAYERS

CALIBRATION_BATCHES = 8
EMA_DECAY = 0.999
REHEARSED_STEPS = 2
LEFT_OUT = "left_out_rows.txt"
Tensors = tuple[Tensor, ...] | list[Tensor]
app = App(
    name="train_accelerate.py",
    default_parameter=Parameter(name_transform=lambda name: name, negative=()),
    config=[apply_preset],
)


@app.default
def main(args: Arguments = Arguments()) -> None:  # noqa: B008 - cyclopts takes the defaults from it
    """Train a cascaded refinement network, or a system to compare it with, on pairs of photograph and label map.

    Example: accelerate launch train_accelerate.py --dataset_name org/streets --resolution 256
    """
    if args.dry_run:
        rehearse(args)
    else:
        Training(args).run()


class Training(Preparation):
    """A prepared run, carried out."""

    def __init__(self, args: Arguments, rehearsed_steps: int | None = None):
        super().__init__(args, rehearsed_steps)
        self.cost: dict[str, float] = {}  # seconds of the last step, validation and checkpoint; bytes of memory
        self.costs: list[dict[str, float]] = []  # the same at the end of each stage

    def run(self) -> None:
        """Trains all stages and saves the model; if that has been done, only uploads it."""
        args, accelerator = self.args, self.accelerator
        if self.finished:
            accelerator.print(f"this run has finished; the model is in {args.output_dir}")
            if args.push_to_hub and accelerator.is_main_process:
                print(HubModel.from_pretrained(args.output_dir).push_to_hub(self.hub_id, folder=args.output_dir))
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
        self.log = TrainingLog(args.output_dir, self.terms, resumed_from, accelerator.is_main_process)
        if args.report_to:
            start_trackers(accelerator, self.run_name, self.settings, step)

        model: HubModel | None = self.start_model
        first_step = 0
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
        result = cast(HubModel, model)
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

    def train_stage(self, number: int, first_step: int, start: HubModel | None, stop: StopRequest) -> HubModel:
        """Trains one stage, from `start` or from the checkpoint, and returns its model.

        Steps are counted through all stages; `first_step` are in those before.
        """
        args, accelerator, loss_function, log = self.args, self.accelerator, self.loss, self.log
        stage, began = self.stages[number], time.perf_counter()
        last_step = first_step + self.limit(stage)
        set_seed(args.seed + number)  # also when the stage before was not run in this process

        # -- model, data, optimiser ---------------------------------------------------------------------
        network = self.fresh_network(stage)
        resumed = self.progress if self.progress and self.progress["stage"] == number else None
        if start is not None and not resumed:
            taken = network.grow_from(start.cpu())
            source = args.init_from if number == 0 else "the stage before"
            known = self.classes.translation_to(start.classes) != UNLABELLED
            new = [name for name, there in zip(self.classes.names, known, strict=False) if not there]
            accelerator.print(
                f"{taken} of {network.num_modules} modules start from {source}"
                + (f"; classes that are new to them: {', '.join(new)}" if new else "")
            )
        accelerator.print(f"{network.TITLE}, {': '.join(network.layers)}")
        if self.trained_modules is not None and isinstance(network, CRN):
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
        optimizer = self.make_optimizer(network)
        ema = AveragedModel(network, accelerator.device, multi_avg_fn=ema_update) if args.use_ema else None
        model, optimizer, loader = accelerator.prepare(network, optimizer, loader)
        trained = [model]
        if isinstance(loss_function, AdversarialLoss):
            judge, judge_optimizer = accelerator.prepare(
                loss_function.discriminator, self.make_optimizer(loss_function.discriminator)
            )
            trained.append(judge)
        if args.torch_compile:
            for module in (network, *loss_function.children()):
                module.compile()
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
            if isinstance(loss_function, PerceptualLoss):
                loss_function.layer_weights.copy_(torch.tensor(resumed["layer_weights"]))
            accelerator.print(f"resumed from {self.checkpoint} at step {step}")
        elif isinstance(loss_function, PerceptualLoss) and args.loss_weights == "calibrate":
            loss_function.reset_weights()
            if calibration_step == 0:
                self.data.set_epoch(first_epoch)
                self.calibrate(loss_function, model)

        def current_model() -> HubModel:
            """The model to save and to look at: the average if there is one."""
            return cast(HubModel, ema.module) if ema is not None else network

        def finished_model() -> HubModel:
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
            }
            if args.system != "crn":
                result.training_record["system"] = self.system.description
            if isinstance(loss_function, PerceptualLoss):
                weights = dict(zip(LAYERS, loss_function.layer_weights.tolist(), strict=True))
                result.training_record["loss_weights"] = weights
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
                "run_name": self.run_name,
                "settings": self.settings,
                "facts": self.facts,
            }
            if isinstance(loss_function, PerceptualLoss):
                progress["layer_weights"] = loss_function.layer_weights.tolist()
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
            rows: list[int] = []  # of the batches that make a step
            losses: list[Tensor] = []
            while step < last_step:
                done = step - first_step
                epoch = first_epoch + done // self.steps_per_epoch
                loader.set_epoch(epoch)
                self.data.set_epoch(epoch)  # with several processes accelerate leaves this out
                due = (done % self.steps_per_epoch) * args.gradient_accumulation_steps
                for seconds, batch in timed(accelerator.skip_first_batches(loader, due) if due else loader):
                    waited += seconds
                    rows += batch["row"].tolist()
                    if not losses:  # a step begins: what dropout leaves out is a function of it, as all else is
                        chance = np.random.default_rng((args.seed, step, accelerator.process_index))
                        torch.manual_seed(int(chance.integers(2**63)))
                    rate = cast(float, args.learning_rate) * course((step - first_step) / cast(int, stage.steps))
                    with accelerator.accumulate(*trained):
                        part = loss_window(args.loss_window, network.size, args.seed, step)
                        images, photographs, ids = model(batch["ids"]), batch["photograph"], batch["ids"]
                        seen = images[part], photographs[part], ids[part]
                        loss, terms = loss_function(*seen)
                        norm = self.learn(model, optimizer, loss, rate, (step + 1, rows, ""))
                        if isinstance(loss_function, AdversarialLoss):
                            # After the network, which all batches of a step so find the same discriminator.
                            judged = loss_function.of_discriminator(judge, *seen)
                            terms["discriminator"] = judged.detach()
                            where = (step + 1, rows, "discriminator's ")
                            judge_norm = self.learn(judge, judge_optimizer, judged, rate, where)
                        losses.append(torch.stack([loss.detach(), *terms.values()]))
                    if not accelerator.sync_gradients:
                        continue
                    step += 1
                    if ema is not None:
                        ema.update_parameters(network)

                    spent = time.perf_counter() - tick
                    means = cast(Tensor, accelerator.reduce(torch.stack(losses).mean(dim=0), "mean")).tolist()
                    entry: dict[str, Any] = {"step": step, "height": stage.height}
                    entry |= dict(zip(("loss", *self.terms), means, strict=True))
                    entry |= {
                        "learning_rate": optimizer.param_groups[0]["lr"],
                        "gradient_norm": cast(Tensor, norm).item(),
                        "images_per_second": images_per_step / spent,
                        "data_share": waited / spent,
                        "memory_gb": peak_memory(accelerator.device) / 1e9,
                    }
                    if isinstance(loss_function, AdversarialLoss):
                        entry["discriminator_gradient_norm"] = cast(Tensor, judge_norm).item()
                    measured = step in (first_step + 1, first_step + calibration_step + 1)
                    if measured and isinstance(loss_function, PerceptualLoss):
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
                    if isinstance(loss_function, PerceptualLoss) and args.loss_weights == "calibrate":  # noqa: SIM102
                        if step == first_step + calibration_step:
                            self.calibrate(loss_function, model)

                    bar.update()
                    shown = {name: f"{entry[name]:.3f}" for name in ("loss", *self.terms)}
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

    def make_optimizer(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        """Adam for what is to be trained of a network."""
        trained = (p for p in network.parameters() if p.requires_grad)
        rate, beta1 = cast(float, self.args.learning_rate), cast(float, self.args.adam_beta1)
        return torch.optim.Adam(trained, rate, (beta1, 0.999))

    def learn(
        self,
        model: torch.nn.Module,
        optimizer: Any,
        loss: Tensor,
        learning_rate: float,
        where: tuple[int, list[int], str],
    ) -> Tensor | None:
        """Adds the gradient of a batch and, with the last batch of a step, makes the step.

        Args:
            model, optimizer: as accelerate has prepared them.
            loss: of the batch.
            learning_rate: of the step.
            where: the step, its rows and whose loss it is, to say when something is infinite or no number.

        Returns:
            The gradient's length, of a step that is made.
        """
        accelerator, norm = self.accelerator, None
        step, rows, whose = where
        if not torch.isfinite(loss):
            raise self.no_number(step, rows, f"{whose}loss", loss)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        accelerator.backward(loss)
        if accelerator.sync_gradients:
            # Of two optimisers accelerator.clip_grad_norm_ would unscale both.
            longest, parameters = self.args.max_grad_norm or math.inf, model.parameters()
            if isinstance(self.loss, AdversarialLoss):
                accelerator.unscale_gradients(optimizer)
                norm = torch.nn.utils.clip_grad_norm_(parameters, longest)
            else:
                norm = accelerator.clip_grad_norm_(parameters, longest)
            # The scaler of fp16 tries larger and larger scales and skips steps that were too large.
            if not torch.isfinite(norm) and accelerator.scaler is None:
                raise self.no_number(step, rows, f"{whose}gradient", norm)
        optimizer.step()
        optimizer.zero_grad()
        return norm

    @torch.no_grad()
    def calibrate(self, loss_function: PerceptualLoss, model: torch.nn.Module) -> None:
        """Measures the loss weights on rows spread over the data; those that count are 1 until then."""
        errors = torch.zeros(len(LAYERS), device=self.accelerator.device)
        for index in range(CALIBRATION_BATCHES):
            pair = self.data[index * len(self.data) // CALIBRATION_BATCHES]
            ids, photograph = (pair[name][None].to(self.accelerator.device) for name in ("ids", "photograph"))
            errors += torch.stack(list(loss_function(model(ids), photograph, ids)[1].values()))
        loss_function.calibrate(self.accelerator.reduce(errors / CALIBRATION_BATCHES, "mean"))
        weights = zip(LAYERS, loss_function.layer_weights.tolist(), strict=True)
        self.accelerator.print("loss weights: " + ", ".join(f"{layer} {weight:.3g}" for layer, weight in weights))

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
        HubModel.from_pretrained(folder)
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


def loss_window(asked: int | None, size: tuple[int, int], seed: int, step: int) -> tuple[Any, slice, slice]:
    """The part of images (..., height, width) that the loss looks at, somewhere by chance, of the images' shape.

    `asked` is its height in pixels; all of the images if that is None, or more than they have.
    """
    height, width = size
    share = min(1.0, (asked or height) / height)
    down, across = np.random.default_rng((seed, step)).random(2)
    rows, columns = round(share * height), round(share * width)
    top, left = int(down * (height - rows + 1)), int(across * (width - columns + 1))
    return ..., slice(top, top + rows), slice(left, left + columns)


def ema_update(averages: Tensors, weights: Tensors, count: Tensor | int) -> None:
    """averages += (1 - decay) * (weights - averages); the decay grows to EMA_DECAY so that early weights fade soon."""
    decay = min(EMA_DECAY, (1 + int(count)) / (10 + int(count)))
    torch._foreach_lerp_(averages, weights, 1 - decay)


if __name__ == "__main__":
    run(app)
