"""Trains a network on photographs and their label maps (Chen and Koltun, ICCV 2017): the cascade, or another system.

    accelerate launch train_accelerate.py                                  # procedural street scenes, a few minutes
    accelerate launch train_accelerate.py --dataset_name org/streets --resolution 256 --output_dir crn-streets
    accelerate launch train_accelerate.py --system pix2pix --dataset_name org/streets --output_dir pix2pix-streets

The result is a model folder for `HubModel.from_pretrained`, with its card, grids (layout | outputs | photograph), loss
curves and training_log.jsonl. Everything before the first step is in crn_hub/training/preparation.py; a stage and its
state are in crn_hub/training/stage_run.py.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

if signal.getsignal(signal.SIGINT) == signal.default_int_handler and __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # imports take seconds, and end without a traceback

from cyclopts import App, Parameter
from tqdm import tqdm

from crn_hub import CRN, HubModel
from crn_hub.cli import run as run_command
from crn_hub.files import write_text
from crn_hub.hub.model_folder import SAMPLES, STYLES
from crn_hub.memory import keep_freed_memory
from crn_hub.pictures import save_picture
from crn_hub.text import clause
from crn_hub.training.arguments import Arguments
from crn_hub.training.checkpoints import what_is_safe
from crn_hub.training.cost import StageCost, peak_memory
from crn_hub.training.log import TrainingLog
from crn_hub.training.paper_settings import apply_preset
from crn_hub.training.preparation import Run, prepare
from crn_hub.training.rehearsal import rehearse
from crn_hub.training.rows import GRID_ROWS, LEFT_OUT
from crn_hub.training.run_lock import RunLock
from crn_hub.training.signals import StopRequest
from crn_hub.training.stage_run import StageRun
from crn_hub.training.stages import Stage
from crn_hub.training.trackers import start_trackers
from crn_hub.training.validation import sample_grid, style_grid

app = App(
    name="train_accelerate.py",
    default_parameter=Parameter(name_transform=lambda name: name, negative=()),
    config=[apply_preset],
)


@app.default
def main(args: Arguments = Arguments()) -> None:  # noqa: B008 - cyclopts takes the defaults from it
    """Train a cascaded refinement network, or a system to compare it with, on photographs and their label maps.

    Example: accelerate launch train_accelerate.py --dataset_name org/streets --resolution 256
    """
    keep_freed_memory()
    is_main = os.environ.get("RANK", "0") == "0"  # there is no accelerator to ask yet
    with RunLock(args.output_dir) if is_main else nullcontext():
        if args.dry_run:
            rehearse(args, train)
        elif (run := prepare(args)).finished:
            push_again(run)
        else:
            train(run)


def train(run: Run) -> list[StageCost]:
    """Trains all stages and saves the model; returns what each stage cost."""
    log = begin(run)
    model, costs, stop = run.start, [], StopRequest()
    with stop if not run.is_rehearsal else nullcontext():  # a rehearsal has nothing to save
        for stage in run.stages[run.resumption.progress["stage"] if run.resumption else 0 :]:
            with failures_say_what_is_safe(run):
                model, cost = train_stage(run, stage, model, log, stop)
            costs.append(cost)
        assert model is not None  # a run has at least one stage
        with failures_say_what_is_safe(run):
            finish(run, model, log)  # a signal waits for it: of the last steps there is no checkpoint
    return costs


@contextmanager
def failures_say_what_is_safe(run: Run) -> Iterator[None]:
    """Adds to an OSError, which is usually of a full disk, what of the run is on the disk already."""
    try:
        yield
    except ConnectionError:  # the Hub's, once the model is saved
        raise
    except OSError as error:
        raise OSError(f"--output_dir {run.output_dir}: {clause(error)}; {what_is_safe(run.output_dir)}.") from error


def train_stage(
    run: Run, stage: Stage, start: HubModel | None, log: TrainingLog, stop: StopRequest
) -> tuple[HubModel, StageCost]:
    """Trains one stage, from `start` or from the run's checkpoint; returns its model and what it cost."""
    state, accelerator = StageRun(run, stage, start), run.accelerator
    with progress_bar(run, state) as bar:  # closed before an error is printed
        for batch in state.batches():
            with accelerator.accumulate(*state.trained):
                images = state.model(*state.inputs(batch))  # (B, K, 3, H, W)
                seen = state.window(images, batch["photograph"], batch["ids"])
                loss, terms = run.loss(*seen)
                state.learn(loss, terms, seen)
            if not accelerator.sync_gradients:
                continue  # the step has more batches

            entry = state.end_step()
            if state.validation_is_due:
                entry["validation_loss"] = state.validate()
            log.add(entry)
            if state.validation_is_due:
                log.draw()
            accelerator.log({k: v for k, v in entry.items() if k not in ("step", "loss_weights")}, step=state.step)
            if state.calibration_is_due:
                state.calibrate()
            bar.update()
            shown = {name: f"{entry[name]:.3f}" for name in ("loss", *run.terms)}
            bar.set_postfix({**shown, "img/s": f"{entry['images_per_second']:.2f}"})

            if state.has_ended and stage is run.stages[-1]:
                break  # the model itself is saved next
            stopping = stop.heard_by_any(accelerator)
            if stopping or state.has_ended or state.step % run.args.checkpointing_steps == 0:
                state.save(log.validation_loss(after=stage.first_step))
            if stopping:
                stop.end(accelerator, state.step)
    state.cost.memory = peak_memory(accelerator.device)
    model = state.finished_model(log.validation_loss(after=stage.first_step))
    accelerator.free_memory()
    return model, state.cost


def begin(run: Run) -> TrainingLog:
    """Lists the rows left out; starts or continues the log and the trackers."""
    args, accelerator = run.args, run.accelerator
    if accelerator.is_main_process and run.left_out:
        write_text(args.output_dir / LEFT_OUT, "\n".join(run.left_out) + "\n")
    if args.resume_from_checkpoint is not None and run.resumption is None:
        accelerator.print(f"{args.output_dir} holds no checkpoint yet: starting from the beginning")
    step = run.resumption.progress["step"] if run.resumption else 0
    resumed_from = (run.resumption.checkpoint.parent, step) if run.resumption else None
    log = TrainingLog(args.output_dir, run.terms, resumed_from, accelerator.is_main_process)
    if args.report_to:
        start_trackers(accelerator, run.name, run.settings, step)
    return log


def progress_bar(run: Run, state: StageRun) -> tqdm:
    """A bar over the steps of a stage, starting at the current one."""
    stage = state.stage
    of_several = f", stage {stage.number + 1} of {len(run.stages)}" if len(run.stages) > 1 else ""
    return tqdm(
        total=stage.last_step - stage.first_step,
        initial=state.step - stage.first_step,
        desc=f"{stage.height}p{of_several}",
        unit="step",
        dynamic_ncols=True,
        disable=not run.accelerator.is_main_process,
    )


def finish(run: Run, model: HubModel, log: TrainingLog) -> None:
    """Saves the model with its pictures, and uploads it if asked to."""
    accelerator = run.accelerator
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        pairs = run.rows.pairs_to_show(GRID_ROWS)
        save_picture(sample_grid(model, pairs), run.output_dir / SAMPLES / "held-out.png")
        if isinstance(model, CRN) and model.region_colors:
            model.set_styles(run.rows.styles(model.kinds))
            save_picture(style_grid(model, pairs), run.output_dir / SAMPLES / STYLES)
        log.draw()
        model.save_pretrained(run.output_dir)
        if run.args.push_to_hub:
            print(model.push_to_hub(run.hub_id, folder=run.output_dir))
        if not run.is_rehearsal:
            print(f"the model is in {run.output_dir}")
    accelerator.wait_for_everyone()
    if not run.is_rehearsal:
        accelerator.end_training()


def push_again(run: Run) -> None:
    """Says that the run has finished, and uploads its model if asked to."""
    run.accelerator.print(f"this run has finished; the model is in {run.output_dir}")
    if run.args.push_to_hub and run.accelerator.is_main_process:
        print(HubModel.from_pretrained(run.output_dir).push_to_hub(run.hub_id, folder=run.output_dir))
    run.accelerator.end_training()


if __name__ == "__main__":
    run_command(app)
