"""train_accelerate.py in processes of their own, forked from one that has done the slow imports and nothing else."""

import gc
import importlib
import multiprocessing
import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import Any
from unittest import mock

import train_accelerate
from crn_hub.cli import run
from support import free_port
from support.training_script import SETTINGS, Done, few_to_validate

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    ["train_accelerate", "crn_hub.metrics.evaluation", "datasets", "torch._dynamo", "matplotlib.figure"]
)


def start_server() -> None:
    """Starts the process that is forked; to be called before a test can leave something in its environment."""
    with mock.patch.dict(os.environ, SETTINGS):
        forkserver.ensure_running()


@dataclass
class Death:
    """A process's death by SIGKILL, which cannot be caught.

    Attributes:
        at: "module:function".
        count, when: at the `count`-th call of it, "before" or "after".
    """

    at: str
    count: int
    when: str


class ForkedRun:
    """A run that has been started, and leads a group of processes, as one does that a shell has started.

    What it needs to know when the Hub's client or PyTorch are imported it cannot be told: they are already.
    """

    def __init__(self, *arguments: object, environment: dict[str, str] | None = None, death: Death | None = None):
        self._said = tempfile.TemporaryDirectory()
        for name in ("out", "err"):
            (Path(self._said.name) / name).touch()
        given = list(map(str, arguments)), self._said.name, SETTINGS | (environment or {}), death
        self._process = FORKED.Process(target=_run, args=given)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code, negative for a signal, or None while it runs."""
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def done(self, seconds: float = 200) -> Done:
        """Waits for its end, which must come within this time; what it has said goes away with this call."""
        self._process.join(seconds)
        code = self._process.exitcode
        self._process.kill()  # if it is still there
        self._process.join()
        out, err = ((Path(self._said.name) / name).read_text() for name in ("out", "err"))
        self._process.close()
        self._said.cleanup()
        assert code is not None, f"did not end within {seconds} s: {err[-2000:]}"
        return Done(code, out, err)


def train_apart(*arguments: object, environment: dict[str, str] | None = None) -> Done:
    """A run in a process of its own, which must succeed."""
    done = ForkedRun(*arguments, environment=environment).done()
    assert done.code == 0, done.stderr[-3000:]
    return done


def train_in_two(*arguments: object) -> str:
    """A run of two processes, as torchrun starts them, which must succeed; returns what the first one has printed."""
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    both = [ForkedRun(*arguments, environment=common | {"RANK": rank, "LOCAL_RANK": rank}) for rank in "01"]
    first, second = [started.done() for started in both]
    assert (first.code, second.code) == (0, 0), first.stderr[-2000:] + second.stderr[-2000:]
    return first.stdout


def die(arguments: list[str], at: str, count: int, when: str) -> None:
    """A run that must kill itself: see `Death`."""
    done = ForkedRun(*arguments, death=Death(at, count, when)).done()
    assert done.code == -signal.SIGKILL, done.stderr[-2000:]


def _run(arguments: list[str], said: str, environment: dict[str, str], death: Death | None) -> None:
    os.setsid()
    gc.freeze()  # collections need not look at what was imported
    for name, stream in (("out", 1), ("err", 2)):
        os.dup2(os.open(Path(said) / name, os.O_WRONLY), stream)
    os.environ.update(environment)
    if death is not None:
        prepare(death)
    sys.argv = ["train_accelerate.py", *arguments]
    with few_to_validate():
        run(train_accelerate.app)


def prepare(death: Death) -> None:
    """Makes this process die like that."""
    module, name = death.at.split(":")
    owner = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    original, calls = getattr(owner, last), 0

    def dying(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == death.count and death.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **options)
        if calls == death.count and death.when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, last, dying)
