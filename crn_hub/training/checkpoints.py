"""Checkpoints of a run: folders checkpoint-{step}, which appear whole and are checked before a run is resumed.

A run may be killed at any moment. So a checkpoint is written under a hidden name and then renamed, and an old one is
renamed before it is removed: every folder called checkpoint-* is whole, and once there is one there is always one.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, TypedDict

from accelerate import Accelerator

from crn_hub.box import MODEL_OF_CHECKPOINT
from crn_hub.files import PART, SAVING, UNSUPPORTED, check_folder, to_the_disk
from crn_hub.networks import HubModel
from crn_hub.text import clause, some
from crn_hub.training.log import LOG
from crn_hub.training.rows import LEFT_OUT

DRAFT, DISCARDED, PROBE = ".checkpoint-draft", ".checkpoint-discarded", ".probe-"
PROGRESS, MODEL = "progress.json", MODEL_OF_CHECKPOINT
VERSION = 2  # of the contents of progress.json


class OtherVersionError(ValueError):
    """A checkpoint was written by another version of this package."""


class Progress(TypedDict):
    """What progress.json says, beside accelerate's files: which run this is, and how far it has come."""

    version: int
    step: int  # optimiser steps done, counted through all stages
    stage: int  # its number
    first_step: int  # steps of the stages before
    seconds: float  # that the stage has taken so far
    run_name: str  # for trackers
    settings: dict[str, Any]  # the command line, as the training record has it
    facts: dict[str, Any]  # what must be the same when the run is resumed
    loss_weights: dict[str, float]  # `Loss.weights`


def checkpoints(output_dir: Path) -> list[Path]:
    """All checkpoints of a folder, oldest first."""
    folders = [p for p in output_dir.glob("checkpoint-*") if p.name.removeprefix("checkpoint-").isdigit()]
    return sorted(folders, key=_step_of)


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("checkpoint-"))


def find_checkpoint(output_dir: Path, asked: str | None) -> Path | None:
    """The checkpoint to resume from; None to start from the beginning.

    Args:
        output_dir: the folder of the run.
        asked: a checkpoint's folder, or its name in the folder of the run; "latest" for the last of the run, if it has
            one yet; None for a new run.

    Raises:
        FileExistsError: if a new run would write over an earlier one.
        FileNotFoundError: if `asked` is not a checkpoint.
    """
    check_folder("--output_dir", output_dir)
    there = checkpoints(output_dir)
    if asked is None:
        if there:
            raise FileExistsError(
                f"{output_dir} holds {there[-1].name} of an earlier run: give --resume_from_checkpoint latest, "
                "or another --output_dir."
            )
        return None
    if asked == "latest":
        return there[-1] if there else None
    for checkpoint in (Path(asked), output_dir / asked):
        if (checkpoint / PROGRESS).is_file():
            return checkpoint
    names = f"; {output_dir} holds {some(path.name for path in there)}" if there else ""
    raise FileNotFoundError(f"--resume_from_checkpoint {asked} is not a checkpoint of this script{names}.")


def what_is_safe(output_dir: Path) -> str:
    """What is left of a run that fails, for its error message."""
    there = checkpoints(output_dir)
    if not there:
        return "there is no checkpoint yet"
    return f"{there[-1].name} is whole, and --resume_from_checkpoint latest continues from it"


def read_progress(checkpoint: Path, facts: dict[str, Any]) -> Progress:
    """Reads what a checkpoint says about its run.

    Raises:
        ValueError: if it cannot be read, or belongs to a run with other `facts`; each difference is named.
    """
    try:
        progress: Progress = json.loads((checkpoint / PROGRESS).read_text(encoding="utf-8"))
        version, before = progress.get("version", 1), dict(progress["facts"])
        if version == VERSION and (missing := Progress.__required_keys__ - progress.keys()):
            raise KeyError(*sorted(missing))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{checkpoint}: not a whole checkpoint of this script ({PROGRESS}: {error!r}).") from error
    if version != VERSION:
        raise OtherVersionError(
            f"{checkpoint} was written by another version of crn_hub (checkpoints of version {version}, here "
            f"{VERSION}): finish that run with the version it was started with, or give another --output_dir; "
            f"its {MODEL} folder is a model for --init_from."
        )
    if differing := [f"{key} was {before.get(key)}, now {now}" for key, now in facts.items() if before.get(key) != now]:
        raise ValueError(f"{checkpoint} belongs to another run: {'; '.join(differing)}.")
    return progress


def save_checkpoint(
    accelerator: Accelerator, output_dir: Path, model: HubModel, progress: Progress, limit: int | None
) -> None:
    """Writes checkpoint-{step}: accelerate's state, a model folder that loads by itself, and `progress`.

    Args:
        output_dir: the folder of the run.
        model: what goes into the model folder.
        progress: what progress.json will hold.
        limit: how many checkpoints to keep; None for all.

    Raises:
        RuntimeError: if it cannot be written; earlier checkpoints stay.
    """
    draft, final = output_dir / DRAFT, output_dir / f"checkpoint-{progress['step']}"
    try:
        if accelerator.is_main_process:
            shutil.rmtree(draft, ignore_errors=True)  # of a run that was killed while saving
        accelerator.wait_for_everyone()
        accelerator.save_state(str(draft))
        accelerator.wait_for_everyone()  # each process has a file of its own there
        if accelerator.is_main_process:
            model.save_pretrained(draft / MODEL)
            (draft / PROGRESS).write_text(json.dumps(progress), encoding="utf-8")
            for path in (*draft.rglob("*"), draft):
                to_the_disk(path)  # before it becomes a checkpoint, in case the power fails
    except Exception as error:  # OSError, or what safetensors and PyTorch turn it into
        if accelerator.is_main_process:
            shutil.rmtree(draft, ignore_errors=True)
        raise RuntimeError(f"{final} could not be written ({error}); {what_is_safe(output_dir)}.") from error
    if accelerator.is_main_process:
        _publish(draft, final, limit)
    accelerator.wait_for_everyone()


def _publish(draft: Path, final: Path, limit: int | None) -> None:
    """Gives a checkpoint its name, and removes those that it makes obsolete."""
    if final.exists():  # of the same step, when an earlier checkpoint was resumed
        _discard(final)
    draft.rename(final)
    to_the_disk(final.parent)
    for other in checkpoints(final.parent):
        if _step_of(other) > _step_of(final):
            _discard(other)  # of the run as it went before an earlier checkpoint was resumed
    if limit is not None:
        for old in checkpoints(final.parent)[:-limit]:
            _discard(old)


def _discard(checkpoint: Path) -> None:
    """Removes a checkpoint; if that is interrupted, no part of it is left under its name."""
    discarded = checkpoint.with_name(DISCARDED)
    shutil.rmtree(discarded, ignore_errors=True)
    checkpoint.rename(discarded)
    shutil.rmtree(discarded, ignore_errors=True)


def clear_leftovers(output_dir: Path) -> None:
    """Removes what an interrupted run has left half-written or half-removed, and nothing else."""
    for file in (f for name in (LOG, LEFT_OUT) for f in output_dir.glob(f".{name}.*{PART}")):
        file.unlink(missing_ok=True)
    begun = (folder for name in (SAVING, PROBE) for folder in output_dir.glob(f"{name}*"))
    for leftover in (output_dir / DRAFT, output_dir / DISCARDED, *begun):
        shutil.rmtree(leftover, ignore_errors=True)


def load_checkpoint(accelerator: Accelerator, checkpoint: Path) -> HubModel:
    """Restores accelerate's state, and returns the model that the checkpoint holds.

    Raises:
        ValueError: if a part is missing or damaged.
    """
    try:
        accelerator.load_state(str(checkpoint))
        return HubModel.from_pretrained(checkpoint / MODEL)
    except Exception as error:  # safetensors, pickle, PyTorch and accelerate each raise their own
        raise ValueError(f"{checkpoint}: cannot be read ({type(error).__name__}: {clause(error)}).") from error


def check_room(output_dir: Path, parameters: int, limit: int | None) -> None:
    """Makes `output_dir` and checks, by writing there, that its disk has room for the checkpoints of a run.

    Args:
        output_dir: the folder of the run.
        parameters: of all networks trained. A checkpoint holds four numbers of 4 bytes for each: the weights, Adam's
            two averages, and the weights in the model folder.
        limit: how many checkpoints are kept; None for all.

    Raises:
        OSError: if there is no room, or nothing can be written; the message says how much is needed.
    """
    checkpoint = 16 * parameters
    needed = checkpoint * max(1, (limit or 1) + 1 - len(checkpoints(output_dir)))  # one more during writing
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        _try_to_save(output_dir, 8 * parameters)  # the largest file, Adam's averages
        free = shutil.disk_usage(output_dir).free
    except OSError as error:
        raise OSError(
            f"--output_dir {output_dir}: no checkpoint of {checkpoint / 1e9:.2g} GB can be written there ({error})."
        ) from error
    if free < needed:
        raise OSError(
            f"--output_dir {output_dir}: {free / 1e9:.2g} GB are free there, but checkpoints need {needed / 1e9:.2g} "
            "GB; make room, give another folder or a smaller --checkpoints_total_limit."
        )


def _try_to_save(output_dir: Path, size: int) -> None:
    """Does with a file of `size` bytes what is done with a checkpoint; file systems differ in what they can."""
    probe = Path(tempfile.mkdtemp(prefix=PROBE, dir=output_dir))  # each process has one
    renamed = probe.with_name(f"{probe.name}-renamed")
    try:
        with (probe / "file").open("wb") as file:
            file.write(bytes(8))
            if hasattr(os, "posix_fallocate"):
                try:
                    os.posix_fallocate(file.fileno(), 0, size)
                except OSError as error:
                    if error.errno not in UNSUPPORTED:
                        raise
        for path in (probe / "file", probe):
            to_the_disk(path)
        probe.rename(renamed)
        to_the_disk(output_dir)
    finally:
        for folder in (probe, renamed):
            shutil.rmtree(folder, ignore_errors=True)
