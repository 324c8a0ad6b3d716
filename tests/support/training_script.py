"""train_accelerate.py, run by tests: in this process, which saves seconds, or launched as people launch it."""

import io
import json
import os
import random
import subprocess
import sys
from contextlib import AbstractContextManager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
import torch
from accelerate.state import AcceleratorState, GradientState, PartialState
from safetensors.torch import load_file

import train_accelerate
from crn_hub.cli import run
from crn_hub.training.rows import GRID_ROWS
from support import ROOT
from support.plots import blank

TINY = "--resolution 32 --widths 6 6 6 4".split()
SETTINGS = {
    "PYTHONPATH": str(ROOT),
    "HF_HUB_OFFLINE": "1",
    "ACCELERATE_USE_CPU": "true",
    "TORCHINDUCTOR_VEC_ISA_OK": "0",  # compiles without vector instructions: in two thirds of the time
}
ENVIRONMENT = os.environ | SETTINGS


def few_to_validate() -> AbstractContextManager[int]:
    """Half as many rows for validation losses, which take longer than the few steps of a test."""
    return mock.patch("crn_hub.training.rows.VALIDATION_ROWS", GRID_ROWS)


@dataclass
class Done:
    """What a run in this process said."""

    code: int
    stdout: str
    stderr: str


def run_here(*arguments: object) -> Done:
    """A run in this process, however it ends; its loss curves are white."""
    said, complained = io.StringIO(), io.StringIO()
    try:
        with (
            mock.patch.dict(os.environ, SETTINGS),
            mock.patch("crn_hub.training.log.draw_plot", blank),
            few_to_validate(),
            mock.patch.object(sys, "argv", ["train_accelerate.py", *map(str, arguments)]),
            redirect_stdout(said),
            redirect_stderr(complained),
            pytest.raises(SystemExit) as ended,
        ):
            run(train_accelerate.app)
    finally:
        for state in (AcceleratorState, GradientState, PartialState):
            state._reset_state()  # what one run sets for its process must not affect the next
    return Done(int(ended.value.code or 0), said.getvalue(), complained.getvalue())


def train(*arguments: object) -> Done:
    """A run in this process, which must succeed."""
    done = run_here(*arguments)
    assert done.code == 0, done.stderr[-3000:]
    return done


def fails(*arguments: object, code: int = 2) -> str:
    """The one line with which a run in this process ends."""
    done = run_here(*arguments)
    assert done.code == code, done.stderr[-2000:]
    return done.stderr.splitlines()[-1]


def command(*arguments: object) -> list[str]:
    """The command line of `accelerate launch`."""
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "1", "--num_machines", "1"]
    launcher += ["--mixed_precision", "no", "--dynamo_backend", "no", "--cpu"]
    return [*launcher, str(ROOT / "train_accelerate.py"), *map(str, arguments)]


def on_one_core() -> None:
    """To be called in a launched process: the script uses as many threads as there are cores for it."""
    os.sched_setaffinity(0, {random.choice([*os.sched_getaffinity(0)])})


def launch(*arguments: object) -> subprocess.CompletedProcess[str]:
    """A run by `accelerate launch`, which must succeed."""
    done = subprocess.run(
        command(*arguments), env=ENVIRONMENT, capture_output=True, text=True, timeout=300, preexec_fn=on_one_core
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def script(*arguments: object) -> list[str]:
    """The command line without a launcher."""
    return [sys.executable, str(ROOT / "train_accelerate.py"), *map(str, arguments)]


def run_script(*arguments: object, environment: dict[str, str]) -> None:
    """A run in a process of its own, without a launcher, which must succeed."""
    done = subprocess.run(script(*arguments), env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


def start_torchrun(*arguments: object) -> subprocess.Popen[str]:
    """Two processes; `accelerate launch --cpu` starts only one."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    return subprocess.Popen(
        [*launcher, str(ROOT / "train_accelerate.py"), *map(str, arguments)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def log_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]


def same_weights(one: Path, other: Path) -> bool:
    a, b = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
