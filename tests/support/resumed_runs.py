"""Runs of train_accelerate.py that are killed, and how they compare with one that never was."""

import importlib
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

import train_accelerate
from crn_hub.cli import run
from support.training_script import SETTINGS, log_of, same_weights

STEPS, EVERY = 11, 2  # a run's steps, and those between checkpoints; 4 steps make an epoch
NOISE = {"images_per_second", "data_share", "memory_gb"}  # what differs from run to run

Run = tuple[list[str], Path]  # a command line without its output folder, and the folder of a run never killed


def comparable(folder: Path) -> list[dict]:
    return [{key: value for key, value in entry.items() if key not in NOISE} for entry in log_of(folder)]


def assert_same(whole: Path, other: Path) -> None:
    """Weights, logged losses, and in the last common checkpoint the averages and the optimiser, bit for bit."""
    assert same_weights(whole, other)
    assert comparable(whole) == comparable(other)
    last = f"checkpoint-{STEPS // EVERY * EVERY}"
    assert same_weights(whole / last, other / last)
    assert same_weights(whole / last / "model", other / last / "model")
    one, two = (torch.load(folder / last / "optimizer.bin", weights_only=True)["state"] for folder in (whole, other))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[i][key], two[i][key]) for i in one for key in ("step", "exp_avg", "exp_avg_sq"))
    assert not list(other.glob(".*"))


# Processes forked from one that has done the slow imports and nothing else.
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["train_accelerate", "datasets", "torch._dynamo", "matplotlib.figure"])


def train_in_two(*arguments: object) -> str:
    """A run of two processes, as torchrun starts them, which must succeed; returns what they said."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = SETTINGS | {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
    }
    with tempfile.NamedTemporaryFile() as said:
        both = []
        for rank in "01":
            environment = common | {"RANK": rank, "LOCAL_RANK": rank}
            process = FORKED.Process(target=_run, args=([*map(str, arguments)], said.name, environment))
            process.start()
            both.append(process)
        for process in both:
            process.join(200)
            process.kill()  # if it is still there
            process.join()
        text = said.read().decode()
    assert [process.exitcode for process in both] == [0, 0], text[-3000:]
    return text


def _run(arguments: list[str], said: str, environment: dict[str, str]) -> None:
    """The script, in a process that this has been started for; what it says goes to the end of a file."""
    with open(said, "a") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.environ.update(environment)
    sys.argv = ["train_accelerate.py", *arguments]
    run(train_accelerate.app)


def die(arguments: list[str], at: str, count: int, when: str) -> None:
    """Runs the script in a process of its own, which kills itself with SIGKILL, which cannot be caught.

    Args:
        arguments: of the script.
        at: "module:function".
        count, when: at the `count`-th call of it, "before" or "after".
    """
    with tempfile.NamedTemporaryFile() as said:
        process = FORKED.Process(target=_run_and_die, args=(arguments, at, count, when, said.name))
        process.start()
        process.join(200)
        process.kill()  # if it is still there
        process.join()
        assert process.exitcode == -signal.SIGKILL, said.read().decode()[-2000:]
    process.close()


def _run_and_die(arguments: list[str], at: str, count: int, when: str, said: str) -> None:
    module, name = at.split(":")
    owner = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    original, calls = getattr(owner, last), 0

    def dying(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **options)
        if calls == count and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, last, dying)
    _run(arguments, said, SETTINGS)
