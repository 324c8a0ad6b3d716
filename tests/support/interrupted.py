"""Commands of crn in processes of their own: stopped at some moment, without room, without rights."""

import ctypes
import gc
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from crn_hub.cli import app, run
from support import ROOT
from support.forked_runs import FORKED, Death, prepare


@dataclass
class Ended:
    """How a command has ended; a negative `code` is a signal's number."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def last_line(self) -> str:
        return (self.stderr.strip().splitlines() or [""])[-1]


def crn_apart(
    *arguments: object,
    stop_after: float | None = None,
    number: signal.Signals = signal.SIGINT,
    file_bytes: int | None = None,
    death: Death | None = None,
) -> Ended:
    """Runs a command in a process of its own.

    Args:
        arguments: of crn.
        stop_after: seconds until it gets a signal.
        number: the signal.
        file_bytes: the most that a file may have, as if the disk were full then.
        death: when it kills itself.
    """
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder)
        process = FORKED.Process(target=_crn, args=([*map(str, arguments)], said, file_bytes, death))
        process.start()
        while not (said / "out").exists() and process.is_alive():
            time.sleep(0.001)
        began = time.monotonic()
        process.join(200 if stop_after is None else stop_after)
        if stop_after is not None and process.is_alive() and process.pid is not None:
            os.kill(process.pid, number)
            process.join(60)
        seconds, code = time.monotonic() - began, process.exitcode
        if code is None:
            process.kill()
        process.join()
        assert code is not None, "did not end"
        out, err = ((said / name).read_text() for name in ("out", "err"))
        return Ended(code, out, err, seconds)


def _crn(arguments: list[str], said: Path, file_bytes: int | None, death: Death | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # until it is a command
    gc.freeze()  # collections need not look at what was imported
    for name, stream in (("err", 2), ("out", 1)):
        os.dup2(os.open(said / name, os.O_WRONLY | os.O_CREAT, 0o600), stream)
    if file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    if death is not None:
        prepare(death)
    sys.argv = ["crn", *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run(app)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def crn_without_rights(*arguments: object, home: Path) -> Ended:
    """Runs a command without HOME, with its caches in `home`, and, if tests are run by root, without root's rights."""
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "MPLCONFIGDIR")}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "crn_hub", *map(str, arguments)], preexec_fn=_without_capabilities, text=True,
        env=environment | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}, capture_output=True,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


def _without_capabilities() -> None:
    """Makes permissions count for root as they do for others (see capset(2) and prctl(2))."""
    libc = ctypes.CDLL(None)
    libc.prctl(28, 1)  # PR_SET_SECUREBITS, SECBIT_NOROOT: the next program doesn't get them back
    libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
