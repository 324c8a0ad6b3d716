"""Signals that stop a run, which saves a checkpoint first."""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn, cast

import psutil
import torch
from accelerate import Accelerator
from torch import Tensor

ECHO = 5.0  # seconds; signals in quick succession are one request, which may reach a process in several ways


class StopRequest:
    """Makes SIGTERM and SIGINT (Ctrl-C) stop the loop after its current step; a second one ends the process at once.

    `accelerate launch` doesn't forward signals; on Linux, its death counts as SIGTERM.

    As a context manager it installs its handlers, and restores the previous ones.

    Attributes:
        signal: the signal received, or None.
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

    def heard_by_any(self, accelerator: Accelerator) -> bool:
        """Whether any of the processes has received a signal: all of them stop after the same step."""
        if accelerator.num_processes == 1:
            return self.signal is not None
        heard = torch.tensor(float(self.signal is not None), device=accelerator.device)
        return cast(Tensor, accelerator.reduce(heard, "sum")).item() > 0

    def end(self, accelerator: Accelerator, step: int) -> NoReturn:
        """Ends the process as its signal would have, now that the checkpoint of `step` is saved."""
        number = self.signal or signal.SIGTERM
        accelerator.print(
            f"stopped by {number.name}: checkpoint-{step} is saved; --resume_from_checkpoint latest continues from it"
        )
        accelerator.end_training()
        sys.exit(128 + number)

    def _hear(self, number: int, _: FrameType | None) -> None:
        if self.signal is None:
            self.signal, self._heard = signal.Signals(number), time.monotonic()
            then = f"after {ECHO:.0f} s, another signal ends the run at once"
            os.write(2, f"\n{self.signal.name}: what is trained is being saved; {then}\n".encode())
        elif time.monotonic() - self._heard > ECHO:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


def _is_launcher(process: psutil.Process) -> bool:
    """Whether a process is `accelerate launch`, rather than a shell, whose end means nothing."""
    try:
        words = process.cmdline()[:4]
    except psutil.Error:
        return False
    return any(Path(word).name == "accelerate" or word.startswith("accelerate.commands.") for word in words)
