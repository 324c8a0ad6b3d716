"""What other systems lack or refuse: modules, characters, long names, file systems that can do less."""

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from support import ROOT
from support.hub_client import saved_model
from support.training_script import TINY, fails, train

from crn_hub.files import write_text
from crn_hub.training.cost import peak_memory

SHORT = [*TINY, *"--max_train_steps 2 --max_train_samples 4 --checkpointing_steps 1".split()]
LONG = 250  # characters; file systems allow 255 bytes in a name


def run_python(*arguments: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "PYTHONIOENCODING": encoding}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, encoding=encoding, cwd=ROOT)


def test_modules_that_windows_lacks_are_not_needed() -> None:
    """At least not by this project: what other packages need of them is theirs."""
    code = """
import sys
import accelerate, datasets, gradio, matplotlib, torch, torchvision, uvicorn
for name in ("resource", "fcntl", "pwd", "grp", "termios"):
    sys.modules[name] = None
import app, train_accelerate
from crn_hub.cli import app
from crn_hub.benchmark import synthesis, training
from crn_hub.demo import page
from crn_hub.metrics import evaluation
from crn_hub.study import serving
"""
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr


def test_peak_memory_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Windows")
    monkeypatch.setattr(psutil, "Process", lambda: SimpleNamespace(memory_info=lambda: SimpleNamespace(peak_wset=7)))
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak_memory(torch.device("cpu")) == 7


# -- file systems ------------------------------------------------------------------------------------


def failing_fsync(number: int, is_hit: Callable[[int], bool]) -> Callable[[int], None]:
    def fsync(opened: int) -> None:
        if is_hit(os.fstat(opened).st_mode):
            raise OSError(number, os.strerror(number))

    return fsync


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EPERM])
def test_file_systems_that_cannot_flush_folders_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "fsync", failing_fsync(number, stat.S_ISDIR))
    train(*SHORT, "--output_dir", tmp_path / "run")
    assert (tmp_path / "run" / "checkpoint-1").is_dir()


@pytest.mark.parametrize("is_hit", [stat.S_ISREG, stat.S_ISDIR], ids=["file", "folder"])
def test_a_disk_that_fails_is_found_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_hit: Callable[[int], bool]
) -> None:
    monkeypatch.setattr(os, "fsync", failing_fsync(errno.EIO, is_hit))
    line = fails(*SHORT, "--output_dir", tmp_path / "run", code=1)
    assert "can be written there ([Errno 5] Input/output error)" in line
    assert not (tmp_path / "run").exists()


def test_a_disk_that_cannot_reserve_room_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    train(*SHORT, "--output_dir", tmp_path / "run")


# -- names and characters ----------------------------------------------------------------------------


def test_names_as_long_as_they_can_be(tmp_path: Path) -> None:
    write_text(tmp_path / ("n" * 255), "text")
    folder = tmp_path / ("run" + "x" * (LONG - 3))
    train(*SHORT, "--output_dir", folder)
    layout = tmp_path / f"{'ö' * 120}.png"
    Image.fromarray(np.zeros((32, 64), np.uint8)).save(layout)
    done = run_python("-m", "crn_hub", "synthesize", str(folder), str(layout), "--output", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == [layout.name]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_is_printed_never_ends_a_command(tmp_path: Path, encoding: str) -> None:
    saved_model(tmp_path / "größe→")
    Image.fromarray(np.zeros((32, 64), np.uint8)).save(tmp_path / "straße→.png")
    arguments = ("synthesize", str(tmp_path / "größe→"), str(tmp_path / "straße→.png"), "--output", str(tmp_path / "β"))
    done = run_python("-m", "crn_hub", *arguments, encoding=encoding)
    assert done.returncode == 0, done.stderr
    assert "\\u2192_1.png" in done.stdout
    assert sorted(path.name for path in (tmp_path / "β").iterdir()) == ["straße→_1.png", "straße→_2.png"]
    done = run_python("-m", "crn_hub", "info", str(tmp_path / "größe→"), encoding=encoding)
    assert done.returncode == 0, done.stderr
    assert "32 x 16 pixels" in done.stdout


def test_whoever_reads_may_stop_reading() -> None:
    """As `crn info box | head -1` does."""
    command = [sys.executable, "-c", "from crn_hub.__main__ import main; main()", "info", "box"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode in (0, 141)
    assert said == b""


def full() -> int:
    return os.open("/dev/full", os.O_WRONLY)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_printing_where_there_is_no_room_or_nobody_reads(tmp_path: Path) -> None:
    """Of a run of days, too, whose log fills its disk or whose terminal is gone."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "ACCELERATE_USE_CPU": "true"}
    reading, writing = os.pipe()
    os.close(reading)
    train_script = [sys.executable, str(ROOT / "train_accelerate.py"), *SHORT, "--output_dir"]
    for number, stream in enumerate((full(), writing)):
        done = subprocess.run(
            [*train_script, str(tmp_path / str(number))], env=environment, stdout=stream, stderr=stream
        )
        os.close(stream)
        assert done.returncode == 0
        assert (tmp_path / str(number) / "model.safetensors").is_file()
    closed = f"{sys.executable} -m crn_hub info box >&- 2>&-"
    assert subprocess.run(closed, shell=True, env=environment).returncode == 0
