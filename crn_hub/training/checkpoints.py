"""Checkpoints of a run: folders checkpoint-{step} that appear whole by renaming, and what must hold to resume.

A kill may come at any moment. A checkpoint is written under a hidden name and renamed; the oldest are renamed before
they are removed. So every folder called checkpoint-* is whole, and at least one is there once the first was.
"""

import ctypes
import json
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
from accelerate import Accelerator
from torch.utils.data import get_worker_info

from crn_hub.networks.hub_model import HubModel
from crn_hub.text import clause

DRAFT, DISCARDED, PROBE = ".checkpoint-draft", ".checkpoint-discarded", ".probe"
SAME_WISH = 5.0  # seconds in which further signals are echoes of the first: of a group, of a launcher that has died
PROGRESS, MODEL = "progress.json", "model"

# What was so of every run before there was a choice; such runs say nothing of it.
BEFORE_A_CHOICE = {"system": "crn", "segmenter": None, "adam_beta1": 0.9}


def checkpoints(output_dir: Path) -> list[Path]:
    """All checkpoints of a folder, oldest first."""
    folders = [p for p in output_dir.glob("checkpoint-*") if p.name.removeprefix("checkpoint-").isdigit()]
    return sorted(folders, key=lambda p: int(p.name.removeprefix("checkpoint-")))


def find_checkpoint(output_dir: Path, asked: str | None) -> Path | None:
    """The checkpoint to resume from; None to begin at the beginning.

    Args:
        output_dir: the folder of the run.
        asked: a checkpoint's folder; "latest" for the last of the run, if it has one yet; None for a new run.

    Raises:
        FileExistsError: if a new run would write over an earlier one.
        FileNotFoundError: if `asked` is no checkpoint.
    """
    if output_dir.exists() and not output_dir.is_dir():
        raise FileExistsError(f"--output_dir {output_dir}: a file, not a folder.")
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
    checkpoint = Path(asked)
    if not (checkpoint / PROGRESS).is_file():
        raise FileNotFoundError(f"--resume_from_checkpoint {checkpoint} is no checkpoint of this script.")
    return checkpoint


def what_is_safe(output_dir: Path) -> str:
    """The part of a message about an end by an error that says what it has not cost."""
    there = checkpoints(output_dir)
    if not there:
        return "there is no checkpoint yet"
    return f"{there[-1].name} is whole, --resume_from_checkpoint latest goes on from it"


def read_progress(checkpoint: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint says of its run.

    Raises:
        ValueError: if it cannot be read, or that was another run than the one of `facts`; each difference is named.
    """
    try:
        progress: dict[str, Any] = json.loads((checkpoint / PROGRESS).read_text())
        before = BEFORE_A_CHOICE | progress["facts"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{checkpoint}: not a whole checkpoint of this script ({PROGRESS}: {error!r}).") from error
    if differing := [f"{key} was {before.get(key)}, now {now}" for key, now in facts.items() if before.get(key) != now]:
        raise ValueError(f"{checkpoint} belongs to another run: {'; '.join(differing)}.")
    return progress


def save_checkpoint(
    accelerator: Accelerator, output_dir: Path, model: HubModel, progress: dict[str, Any], limit: int | None
) -> None:
    """Writes checkpoint-{step}: accelerate's state, a model folder that loads by itself, and `progress`.

    Args:
        output_dir: the folder of the run.
        model: what goes into the model folder.
        progress: of the run, with its "step"; plain JSON.
        limit: how many checkpoints stay; None for all.

    Raises:
        RuntimeError: if it cannot be written; the checkpoints that are there stay.
    """
    draft, final = output_dir / DRAFT, output_dir / f"checkpoint-{progress['step']}"
    try:
        if accelerator.is_main_process:
            shutil.rmtree(draft, ignore_errors=True)  # of a run that was killed here
        accelerator.wait_for_everyone()
        accelerator.save_state(str(draft))
        accelerator.wait_for_everyone()  # each process has a file of its own there
        if accelerator.is_main_process:
            model.save_pretrained(draft / MODEL)
            (draft / PROGRESS).write_text(json.dumps(progress))
            for path in (*draft.rglob("*"), draft):
                _to_the_disk(path)  # before it is called a checkpoint: power may fail too
    except Exception as error:  # OSError, and what the writers of safetensors and PyTorch make of it
        if accelerator.is_main_process:
            shutil.rmtree(draft, ignore_errors=True)
        raise RuntimeError(f"{final} could not be written ({error}); {what_is_safe(output_dir)}.") from error
    if accelerator.is_main_process:
        if final.exists():  # of the same step, when an earlier checkpoint was resumed
            _discard(final)
        draft.rename(final)
        _to_the_disk(output_dir)
        for other in checkpoints(output_dir):
            if int(other.name.removeprefix("checkpoint-")) > progress["step"]:
                _discard(other)  # of the course that was left when an earlier checkpoint was resumed
        if limit is not None:
            for old in checkpoints(output_dir)[:-limit]:
                _discard(old)
    accelerator.wait_for_everyone()


def _to_the_disk(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _discard(checkpoint: Path) -> None:
    """Removes a checkpoint so that a kill meanwhile leaves no half of it under its name."""
    doomed = checkpoint.with_name(DISCARDED)
    shutil.rmtree(doomed, ignore_errors=True)
    checkpoint.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def clear_leftovers(output_dir: Path) -> None:
    """Removes what a kill has left half-written or half-removed."""
    with suppress(OSError):  # none there, or no folder yet
        (output_dir / PROBE).unlink()
    for leftover in (output_dir / DRAFT, output_dir / DISCARDED, *output_dir.glob(".saving-*")):
        shutil.rmtree(leftover, ignore_errors=True)


def load_checkpoint(accelerator: Accelerator, checkpoint: Path) -> HubModel:
    """Brings accelerate's state back, and returns the model that the checkpoint holds.

    Raises:
        ValueError: if a part is missing or damaged.
    """
    try:
        accelerator.load_state(str(checkpoint))
        return HubModel.from_pretrained(checkpoint / MODEL)
    except Exception as error:  # of safetensors, pickle, PyTorch and accelerate, each in its own way
        raise ValueError(f"{checkpoint}: cannot be read ({type(error).__name__}: {clause(error)}).") from error


def check_room(output_dir: Path, parameters: int, limit: int | None) -> None:
    """Makes `output_dir` and finds out whether its disk takes the checkpoints of a run, by writing there.

    Args:
        output_dir: the folder of the run.
        parameters: of all networks trained. A checkpoint holds 4 numbers for each: the weights, Adam's two averages,
            and the model folder; of 4 bytes.
        limit: how many checkpoints stay.

    Raises:
        OSError: saying what is missing.
    """
    checkpoint = 16 * parameters
    needed = checkpoint * max(1, (limit or 1) + 1 - len(checkpoints(output_dir)))  # one more while the next is written
    probe = output_dir / PROBE
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        try:
            with probe.open("wb") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, 8 * parameters)  # the largest file, Adam's averages
                else:
                    file.write(bytes(8))
        finally:
            probe.unlink(missing_ok=True)
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


class StopRequest:
    """SIGTERM and SIGINT (Ctrl-C) become a wish that the loop hears after a step; a second one ends at once.

    `accelerate launch` doesn't hand signals on: where the system can do it (Linux), its death counts as SIGTERM.

    As a context manager it puts the handlers in place, and those that were there before back.

    Attributes:
        signal: the signal that came, or None.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __enter__(self) -> "StopRequest":
        self._before = {number: signal.signal(number, self._hear) for number in (signal.SIGTERM, signal.SIGINT)}
        if sys.platform == "linux" and _is_launcher(psutil.Process(os.getppid())):
            ctypes.CDLL(None).prctl(1, int(signal.SIGTERM))  # 1: PR_SET_PDEATHSIG
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, _: FrameType | None) -> None:
        if self.signal is None:
            self.signal, self._heard = signal.Signals(number), time.monotonic()
            os.write(
                2, f"\n{self.signal.name}: saving a checkpoint after this step; later, another ends at once\n".encode()
            )
        elif time.monotonic() - self._heard > SAME_WISH:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


def _is_launcher(process: psutil.Process) -> bool:
    """Whether a process is `accelerate launch`, and no shell, whose end means nothing."""
    try:
        words = process.cmdline()[:4]
    except psutil.Error:
        return False
    return any(Path(word).name == "accelerate" or word.startswith("accelerate.commands.") for word in words)


def prepare_worker(_: int) -> None:
    """For the worker processes of a data loader.

    A signal to the whole group must not end them before the run has saved. And they live for one epoch: what they
    would keep of decoded rows is lost with them.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    get_worker_info().dataset.cache_bytes = 0  # type: ignore[union-attr]
