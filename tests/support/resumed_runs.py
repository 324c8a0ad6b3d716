"""Runs of train_accelerate.py that are killed, and how they compare with one that never was."""

import signal
import subprocess
import sys
from pathlib import Path

import torch

from support.training_script import ENVIRONMENT, log_of, same_weights

STEPS, EVERY = 11, 2  # a run's steps, and those between checkpoints; 4 steps make an epoch
NOISE = {"images_per_second", "data_share", "memory_gb"}  # what differs from run to run

Run = tuple[list[str], Path]  # a command line without its output folder, and the folder of a run never killed

# The script in a process that kills itself, by the signal that nobody can catch, at one call of one function:
# before it or after it.
SUICIDAL = """
import os, signal, sys
module, name, count, when = sys.argv[1:5]
del sys.argv[1:5]
import importlib, train_accelerate
from crn_hub.cli import run
owner = importlib.import_module(module)
*path, last = name.split(".")
for part in path:
    owner = getattr(owner, part)
original, calls = getattr(owner, last), 0
def dying(*args, **kwargs):
    global calls
    calls += 1
    if calls == int(count) and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = original(*args, **kwargs)
    if calls == int(count) and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(owner, last, dying)
run(train_accelerate.app)
"""


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


def die(arguments: list[str], at: str, count: int, when: str) -> None:
    """Runs the script until the `count`-th call of "module:function"."""
    module, name = at.split(":")
    done = subprocess.run(
        [sys.executable, "-c", SUICIDAL, module, name, str(count), when, *arguments],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
