"""Two runs in one folder, on one machine and on two; and launchers that start other processes than were asked for."""

import errno
import json
import os
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock
from support import ROOT
from support.forked_runs import ForkedRun
from support.training_script import ENVIRONMENT, TINY, fails, log_of, run_here, train

from crn_hub.training import run_lock
from crn_hub.training.run_lock import HOLDER, LOCK, RunLock

SHORT = [*TINY, "--max_train_steps", "2", "--max_train_samples", "4"]
ELSEWHERE = {"host": "another-machine", "process": 7, "since": "2026-11-27 08:00:00"}


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "BEAT", 0.05)
    monkeypatch.setattr(run_lock, "PATIENCE", 0.6)


def test_a_second_run_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    first = ForkedRun(*SHORT, "--output_dir", folder)
    while not (folder / HOLDER).exists():
        assert first.poll() is None
        time.sleep(0.005)
    line = fails(*SHORT, "--output_dir", folder, "--resume_from_checkpoint", "latest")
    assert f"--output_dir {folder} is in use by another run (process {first.pid} on {platform.node()}, since " in line
    assert "give another --output_dir." in line
    done = first.done()
    assert done.code == 0, done.stderr[-2000:]
    assert [entry["step"] for entry in log_of(folder)] == [1, 2]
    assert not list(folder.glob(".*"))


def test_a_refused_run_leaves_no_folder_and_a_failed_one_neither(tmp_path: Path) -> None:
    fails(*SHORT, "--dataset_name", tmp_path / "missing", "--output_dir", tmp_path / "new" / "run")
    assert not (tmp_path / "new").exists()
    (tmp_path / "kept").mkdir()
    fails(*SHORT, "--dataset_name", tmp_path / "missing", "--output_dir", tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_folder_left_by_a_dead_run_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / HOLDER).write_text(json.dumps(ELSEWHERE | {"host": platform.node()}))
    said = train(*SHORT, "--output_dir", tmp_path).stdout
    assert f"was in use by another run (process 7 on {platform.node()}, since 2026-11-27 08:00:00), which ended" in said
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("content", ["", "[]", "{broken"])
def test_a_damaged_sign_is_taken_over_after_waiting(tmp_path: Path, content: str) -> None:
    (tmp_path / HOLDER).write_text(content)
    with RunLock(tmp_path):
        assert json.loads((tmp_path / HOLDER).read_text())["process"] == os.getpid()


def test_a_run_on_another_machine_is_noticed_by_its_signs_of_life(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sign, ended = tmp_path / HOLDER, threading.Event()
    sign.write_text(json.dumps(ELSEWHERE))

    def live() -> None:
        while not ended.wait(0.05):
            os.utime(sign)

    other = threading.Thread(target=live)
    other.start()
    try:
        with pytest.raises(FileExistsError, match=r"in use by another run \(process 7 on another-machine"):
            RunLock(tmp_path).__enter__()
    finally:
        ended.set()
        other.join()
    assert json.loads(sign.read_text()) == ELSEWHERE
    with RunLock(tmp_path):  # it is silent now
        assert "which ended without a word; taken over" in capsys.readouterr().out


def test_a_holder_gives_signs_of_life(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        before, deadline = (tmp_path / HOLDER).stat().st_mtime_ns, time.monotonic() + 10
        while (tmp_path / HOLDER).stat().st_mtime_ns == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert list(tmp_path.iterdir()) == []


def test_without_locks_of_the_file_system_signs_of_life_remain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with RunLock(tmp_path):
        assert "cannot be locked" in capsys.readouterr().out
        with pytest.raises(FileExistsError, match=f"process {os.getpid()} on {platform.node()}"):
            RunLock(tmp_path).__enter__()
        assert (tmp_path / HOLDER).exists()


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = f"import os, signal; from pathlib import Path; from crn_hub.training.run_lock import RunLock\n" \
        f"with RunLock(Path({str(tmp_path)!r})): os.kill(os.getpid(), signal.SIGKILL)"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT)
    assert done.returncode < 0
    assert {path.name for path in tmp_path.iterdir()} == {LOCK, HOLDER}
    with RunLock(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


# -- launchers ---------------------------------------------------------------------------------------


def test_processes_that_know_nothing_of_one_another_are_refused(tmp_path: Path) -> None:
    """On a machine without GPUs accelerate wants to be told that several processes may be on a CPU."""
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "ACCELERATE_USE_CPU"}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launcher, str(ROOT / "train_accelerate.py"), *SHORT, "--output_dir", str(tmp_path / "run")],
        env=environment | {"CUDA_VISIBLE_DEVICES": ""}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode != 0
    assert "the launcher has started 2 processes (WORLD_SIZE), but accelerate sees one in each" in done.stderr
    assert not (tmp_path / "run").exists()


def test_mpirun_of_processes_that_do_not_find_one_another_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crn_hub.training.launching.COUNTS", ("OF_THIS_TEST",))  # accelerate knows all real ones
    monkeypatch.setenv("OF_THIS_TEST", "4")
    line = fails(*SHORT, "--output_dir", tmp_path / "run")
    assert "has started 4 processes (OF_THIS_TEST)" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("variable", "name"),
    [("ACCELERATE_USE_FSDP", "FSDP"), ("ACCELERATE_USE_DEEPSPEED", "DeepSpeed")],
)
def test_ways_of_training_that_would_not_be_used_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, name: str
) -> None:
    monkeypatch.setenv(variable, "true")
    assert f"{name} was asked for ({variable})" in fails(*SHORT, "--output_dir", tmp_path / "run")


def test_one_process_where_several_were_asked_for_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`accelerate launch --cpu --num_processes 2` says to its one process where the first of several would be."""
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    done = run_here(*SHORT, "--output_dir", tmp_path / "run", "--dry_run")
    assert done.code == 0, done.stderr[-2000:]
    assert done.stdout.count("asked for several processes and has started one") >= 1
