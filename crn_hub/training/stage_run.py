"""One stage in training: its network, optimisers, averages and data, and how far it has come."""

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate.utils import broadcast_object_list, set_seed
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from crn_hub.classes import UNLABELLED, LayoutError
from crn_hub.data import spread
from crn_hub.hub.training_record import TrainingRecord
from crn_hub.losses import Opponent, Seen
from crn_hub.networks import CRN, HubModel
from crn_hub.pictures import save_picture
from crn_hub.training.arguments import public
from crn_hub.training.checkpoints import VERSION, Progress, load_checkpoint, save_checkpoint, what_is_safe
from crn_hub.training.cost import StageCost, hardware, peak_memory
from crn_hub.training.learner import SCHEDULES, Learner, NotFiniteError
from crn_hub.training.preparation import Run
from crn_hub.training.resumption import Resumption
from crn_hub.training.rows import GRID_ROWS, VALIDATION_ROWS, prepare_worker
from crn_hub.training.stages import Stage, resolution_of
from crn_hub.training.trackers import track_grid
from crn_hub.training.validation import sample_grid, validation_loss

CALIBRATION_BATCHES = 8
EMA_DECAY = 0.999
Tensors = tuple[Tensor, ...] | list[Tensor]


class StageRun:
    """A stage in training, started from its beginning or from the run's checkpoint.

    `state` is what a checkpoint says about it, beside accelerate's files; `load` restores both.

    Attributes:
        network: what is trained.
        model: the same, as accelerate has wrapped it.
        trained: all wrapped networks: this one, and the loss's opponent if there is one.
        step: optimiser steps done, counted through all stages.
        cost: what the last step, validation and checkpoint took.
    """

    def __init__(self, run: Run, stage: Stage, start: HubModel | None):
        args, accelerator = run.args, run.accelerator
        self.run, self.stage = run, stage
        self.step, self.cost = stage.first_step, StageCost(stage)
        self._began, self._seconds_before = time.perf_counter(), 0.0
        set_seed(args.seed + stage.number)  # the same whether or not this process ran the stage before
        resumption = run.resumption if run.resumption and run.resumption.progress["stage"] == stage.number else None
        self.network = self._make_network(None if resumption else start)
        run.rows.set_size(self.network.size)
        self._pairs = run.rows.pairs_to_show(VALIDATION_ROWS)
        self._ema = AveragedModel(self.network, accelerator.device, multi_avg_fn=ema_update) if args.use_ema else None
        self._generator = self._learner(self.network)
        self.model = self._generator.model
        self.trained = [self.model]
        self._opponent: tuple[Opponent, Learner] | None = None
        if (opponent := run.loss.opponent) is not None:
            if args.channels_last:
                opponent.network.to(memory_format=torch.channels_last)
            self._opponent = opponent, self._learner(opponent.network, f"{opponent.name}'s ")
            self.trained.append(self._opponent[1].model)
        self._loader = accelerator.prepare(self._make_loader())
        if args.torch_compile:
            for module in (self.network, *run.loss.children()):
                module.compile()
        self._started_from = start.training_record if start is not None else None
        if resumption:
            self.load(resumption)
        elif run.loss.needs_calibration:
            run.loss.reset_weights()
            if run.calibration_step == 0:
                run.rows.data.set_epoch(self._first_epoch)
                self.calibrate()
        self._begin_step()

    def _make_network(self, start: HubModel | None) -> HubModel:
        """The network of the stage, grown from `start` if there is one."""
        args = self.run.args
        network = self.run.fresh_network(self.stage)
        if start is not None:
            self._grow(network, start)
        self.run.accelerator.print(f"{network.TITLE}, {': '.join(network.layers)}")
        if self.run.trained_modules is not None and isinstance(network, CRN):
            network.train_only_last(self.run.trained_modules)
        if isinstance(network, CRN) and network.region_colors:
            network.default_colors.copy_(torch.from_numpy(self.run.rows.class_colors()))
        network.gradient_checkpointing = args.gradient_checkpointing
        return network.to(memory_format=torch.channels_last) if args.channels_last else network

    def _learner(self, network: nn.Module, name: str = "") -> Learner:
        run = self.run
        return Learner(
            run.accelerator,
            network,
            name,
            run.learning_rate,
            run.adam_beta1,
            run.args.max_grad_norm,
            is_alone=run.loss.opponent is None,
        )

    def _grow(self, network: HubModel, start: HubModel) -> None:
        taken = network.grow_from(start.cpu())
        classes = self.run.rows.classes
        taken_from, same = classes.translation_to(start.classes), classes.matches_in(start.classes)
        new = [name for name, there in zip(classes.names, taken_from, strict=False) if there == UNLABELLED]
        parts = [
            f"{name} from {start.classes.names[there]}"
            for name, there, match in zip(classes.names, taken_from, same, strict=False)
            if there != match
        ]
        source = self.run.args.init_from if self.stage.number == 0 else "the stage before"
        self.run.accelerator.print(
            f"{taken} of {network.num_modules} modules start from {source}"
            + (f"; classes that are parts of others start like these: {', '.join(parts)}" if parts else "")
            + (f"; classes that are new to them: {', '.join(new)}" if new else "")
        )

    def _make_loader(self) -> DataLoader:
        args = self.run.args
        workers: dict[str, Any] = {"num_workers": args.dataloader_num_workers}
        if args.dataloader_num_workers:
            workers["worker_init_fn"] = prepare_worker
            if sys.platform == "linux":  # where workers share the decoded photographs with this process
                workers["multiprocessing_context"] = "fork"
        return DataLoader(self.run.rows.data, batch_size=args.train_batch_size, shuffle=True, **workers)

    # -- a step ---------------------------------------------------------------------------------------

    @property
    def _first_epoch(self) -> int:
        return -(-self.stage.first_step // self.run.steps_per_epoch)

    @property
    def _learning_rate(self) -> float:
        done = (self.step - self.stage.first_step) / self.stage.steps
        return self.run.learning_rate * SCHEDULES[self.run.args.lr_scheduler](done)

    def _begin_step(self) -> None:
        """Resets what is collected over the batches of a step."""
        self.run.loss.begin_step(self.step, (self.step - self.stage.first_step) / self.stage.steps)
        self._tick, self._waited = time.perf_counter(), 0.0
        self._rows: list[int] = []  # of the batches that make a step
        self._losses: list[Tensor] = []  # for each batch the loss and its terms
        self._step_was_counted = False

    def batches(self) -> Iterator[dict[str, Tensor]]:
        """Batches, epoch after epoch until the last step of the stage; a resumed stage continues with the next ones.

        Raises:
            LayoutError: naming a row that cannot be used.
        """
        run, stage = self.run, self.stage
        while self.step < stage.last_step:
            done = self.step - stage.first_step
            epoch = self._first_epoch + done // run.steps_per_epoch
            self._loader.set_epoch(epoch)
            run.rows.data.set_epoch(epoch)  # accelerate doesn't call it with several processes
            skipped = (done % run.steps_per_epoch) * run.args.gradient_accumulation_steps
            loader = run.accelerator.skip_first_batches(self._loader, skipped) if skipped else self._loader
            for seconds, batch in _timed(loader):
                self._waited += seconds
                self._rows += batch["row"].tolist()
                if not self._losses:  # dropout, like all randomness, depends only on the step
                    rng = np.random.default_rng((run.args.seed, self.step, run.accelerator.process_index))
                    torch.manual_seed(int(rng.integers(2**63)))
                yield batch
                if self._step_was_counted:
                    if self.has_ended:
                        return
                    self._begin_step()

    def inputs(self, batch: dict[str, Tensor]) -> list[Any]:
        """What the network is given of a batch: ids, and colours and noise if it takes these."""
        network, given = self.network, [batch["ids"]]
        if isinstance(network, CRN) and (network.region_colors or network.noise_planes):
            seeds = [np.random.SeedSequence((self.run.args.seed, self.step, row)) for row in batch["row"].tolist()]
            noise = network.noise([int(seed.generate_state(1)[0]) for seed in seeds])
            return [*given, batch.get("colors"), noise]
        return given

    def window(self, images: Tensor, photographs: Tensor, ids: Tensor) -> Seen:
        """What the loss looks at: everything, or with --loss_window the same crop of each."""
        part = loss_window(self.run.args.loss_window, self.network.size, self.run.args.seed, self.step)
        return images[part], photographs[part], ids[part]

    def learn(self, loss: Tensor, terms: dict[str, Tensor], seen: Seen) -> None:
        """Trains the network on the loss of a batch, then the loss's opponent on the same images.

        Args:
            loss, terms: of the batch.
            seen: what they were computed from.

        Raises:
            RuntimeError: if a loss or gradient is infinite or not a number.
        """
        try:
            self._generator.learn(loss, self._learning_rate)
            if self._opponent:  # second, so that all batches of one step face the same one
                opponent, learner = self._opponent
                opponents_loss = opponent.loss(learner.model, *seen)
                terms = {**terms, opponent.name: opponents_loss.detach()}
                learner.learn(opponents_loss, self._learning_rate)
        except NotFiniteError as error:
            raise self._failure(error, self.step + 1) from error
        self._losses.append(torch.stack([loss.detach(), *terms.values()]))

    def end_step(self) -> dict[str, Any]:
        """Counts the step just made, and updates the averages; returns its entry for the log."""
        run = self.run
        rate = self._learning_rate
        self.step += 1
        self._step_was_counted = True
        if self._ema is not None:
            self._ema.update_parameters(self.network)
        self.cost.step = time.perf_counter() - self._tick
        means = cast(Tensor, run.accelerator.reduce(torch.stack(self._losses).mean(dim=0), "mean")).tolist()
        entry: dict[str, Any] = {"step": self.step, "height": self.stage.height}
        entry |= dict(zip(("loss", *run.terms), means, strict=True))
        entry |= {
            "learning_rate": rate,
            "gradient_norm": self._generator.gradient_norm,
            "images_per_second": run.images_per_step / self.cost.step,
            "data_share": self._waited / self.cost.step,
            "memory_gb": peak_memory(run.accelerator.device) / 1e9,
        }
        if self._opponent:
            opponent, learner = self._opponent
            entry[f"{opponent.name}_gradient_norm"] = learner.gradient_norm
        if self.step - self.stage.first_step in (1, run.calibration_step + 1) and run.loss.weights:
            entry["loss_weights"] = [*run.loss.weights.values()]
        return entry

    # -- what is due after some steps -----------------------------------------------------------------

    @property
    def has_ended(self) -> bool:
        return self.step == self.stage.last_step

    @property
    def calibration_is_due(self) -> bool:
        return self.run.loss.needs_calibration and self.step - self.stage.first_step == self.run.calibration_step

    @property
    def validation_is_due(self) -> bool:
        return self.step % self.run.args.validation_steps == 0 or self.has_ended

    @torch.no_grad()
    def calibrate(self) -> None:
        """Measures the loss weights on rows spread over the data."""
        run, device = self.run, self.run.accelerator.device

        def batches() -> Iterator[Seen]:
            for index in spread(len(run.rows.data), CALIBRATION_BATCHES):
                pair = run.rows.data[index]
                row = torch.tensor([pair["row"]])
                batch = {name: values[None].to(device) for name, values in pair.items() if name != "row"} | {"row": row}
                yield self.model(*self.inputs(batch)), batch["photograph"], batch["ids"]

        with torch.compiler.set_stance("force_eager"):  # for a few rows nothing is compiled
            run.loss.calibrate(batches())
        run.loss.load_weights(broadcast_object_list([run.loss.weights])[0])  # the same in all processes
        weights = ", ".join(f"{term} {weight:.3g}" for term, weight in run.loss.weights.items())
        run.accelerator.print(f"loss weights: {weights}")

    def validate(self) -> float:
        """The loss on held-out pairs; a grid of the first of them goes to grids/ and the trackers."""
        began, run = time.perf_counter(), self.run
        loss = validation_loss(self.current_model, run.loss, self._pairs)
        if run.accelerator.is_main_process:
            grid = sample_grid(self.current_model, self._pairs[:GRID_ROWS])
            save_picture(grid, run.output_dir / f"grids/step-{self.step:06d}.png")
            track_grid(run.accelerator, grid, self.step)
        self.cost.validation = time.perf_counter() - began
        return loss

    def save(self, validation_loss: float | None) -> None:
        """Writes a checkpoint after the current step.

        Args:
            validation_loss: the stage's last one, for the record.

        Raises:
            RuntimeError: if a weight is infinite or not a number, or the checkpoint cannot be written.
        """
        began, args = time.perf_counter(), self.run.args
        for name, weight in self.network.named_parameters():  # one may overflow although its gradient is finite
            if not weight.isfinite().all():
                raise self._failure(f"the weight {name} is {weight.sum().item()}", self.step)
        model = self.finished_model(validation_loss)
        save_checkpoint(self.run.accelerator, self.run.output_dir, model, self.state(), args.checkpoints_total_limit)
        self.cost.checkpoint = time.perf_counter() - began

    def state(self) -> Progress:
        """How far the stage has come."""
        return {
            "version": VERSION,
            "step": self.step,
            "stage": self.stage.number,
            "first_step": self.stage.first_step,
            "seconds": self._seconds,
            "run_name": self.run.name,
            "settings": self.run.settings,
            "facts": self.run.facts,
            "loss_weights": self.run.loss.weights,
        }

    def load(self, resumption: Resumption) -> None:
        """Restores the stage from a checkpoint.

        Raises:
            ValueError: if a part of the checkpoint is missing or damaged.
        """
        checkpoint, progress = resumption.checkpoint, resumption.progress
        saved = load_checkpoint(self.run.accelerator, checkpoint)
        self.step, self._seconds_before = progress["step"], progress["seconds"]
        if self._ema is not None:
            self._ema.module.load_state_dict(saved.state_dict())
            self._ema.n_averaged.fill_(self.step - self.stage.first_step)
        self._started_from = saved.training_record.get("started_from")
        try:
            if progress["loss_weights"]:
                self.run.loss.load_weights(progress["loss_weights"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"{checkpoint}: its loss weights are not those of this loss ({error!r}).") from error
        self.run.accelerator.print(f"resumed from {checkpoint} at step {self.step}")

    # -- its result -----------------------------------------------------------------------------------

    @property
    def current_model(self) -> HubModel:
        """The model to save and to validate: the average if there is one."""
        return cast(HubModel, self._ema.module) if self._ema is not None else self.network

    def finished_model(self, validation_loss: float | None) -> HubModel:
        """`current_model`, with the record of its training so far."""
        model = self.current_model
        model.training_record = self._record(validation_loss)
        return model

    def _record(self, validation_loss: float | None) -> TrainingRecord:
        run, stage, args = self.run, self.stage, self.run.args
        steps = self.step - stage.first_step
        is_on_the_hub = args.dataset_name is not None and not Path(args.dataset_name).exists()
        of_stage = {"resolution": resolution_of(stage.size), "widths": list(stage.widths), "num_images": run.num_images}
        record: TrainingRecord = {
            "dataset": public(args.dataset_name) or "procedural street scenes",
            "hub_dataset": args.dataset_name if is_on_the_hub else None,
            "license": run.rows.licence,
            "settings": run.settings | of_stage,
            "result": {
                "steps": steps,
                "epochs": round(steps / run.steps_per_epoch, 2),
                "images_per_step": run.images_per_step,
                "rows_left_out": len(run.left_out),
                "hours": round(self._seconds / 3600, 3),
                "hardware": hardware(run.accelerator),
                "peak_memory_gb": round(peak_memory(run.accelerator.device) / 1e9, 2),
                "validation_loss": validation_loss,
            },
        }
        if run.rows.splits is not None:
            record["splits"] = {"train": run.rows.splits[0], "held_out": run.rows.splits[1]}
        if run.labels is not None:
            record["labels"] = run.labels.to_record()
        if run.rows.citations:
            record["citations"] = run.rows.citations
        if args.system != "crn":
            record["system"] = run.system.description
        if run.loss.weights:
            record["loss_weights"] = run.loss.weights
        if self._started_from is not None:
            record["started_from"] = self._started_from
        return record

    @property
    def _seconds(self) -> float:
        """Seconds that the stage has taken so far, including those before the run was resumed."""
        return self._seconds_before + time.perf_counter() - self._began

    def _failure(self, what: object, step: int) -> RuntimeError:
        return RuntimeError(
            f"step {step}, rows {', '.join(map(str, self._rows))}: {what}; a smaller --learning_rate or "
            f"--max_grad_norm may help; {what_is_safe(self.run.output_dir)}."
        )


def loss_window(asked: int | None, size: tuple[int, int], seed: int, step: int) -> tuple[Any, slice, slice]:
    """The index of a random crop of images (..., height, width), with their aspect ratio; depends on (seed, step) only.

    Args:
        asked: its height in pixels; None, or more than the images have, for whole images.
        size: (height, width) of the images.
        seed, step: of the run.
    """
    height, width = size
    share = min(1.0, (asked or height) / height)
    down, across = np.random.default_rng((seed, step)).random(2)
    rows, columns = round(share * height), round(share * width)
    top, left = int(down * (height - rows + 1)), int(across * (width - columns + 1))
    return ..., slice(top, top + rows), slice(left, left + columns)


def ema_update(averages: Tensors, weights: Tensors, count: Tensor | int) -> None:
    """averages += (1 - decay) * (weights - averages); the decay grows to EMA_DECAY, so that early weights fade soon."""
    decay = min(EMA_DECAY, (1 + int(count)) / (10 + int(count)))
    torch._foreach_lerp_(averages, weights, 1 - decay)


def _timed(batches: Iterable[Any]) -> Iterator[tuple[float, Any]]:
    """Each batch, with the seconds spent waiting for it."""
    iterator = iter(batches)
    while True:
        asked = time.perf_counter()
        try:
            batch = next(iterator)
        except StopIteration:
            return
        except LayoutError as error:  # from a worker process, which makes a traceback of it, our sentence last
            raise LayoutError(str(error).strip().splitlines()[-1].rpartition("LayoutError: ")[2]) from error
        yield time.perf_counter() - asked, batch
