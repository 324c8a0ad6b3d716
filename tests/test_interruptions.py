"""Commands under stress: stopped at any moment, without room, without rights; nothing half-written, nothing lost.

Training has such tests in test_resume.py, `crn dataset` in test_collections.py. CRN_MOMENTS is how often each command
is stopped, once by default.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import ROOT, free_port
from support.data_folders import write_folder
from support.hub_client import saved_model
from support.interrupted import Ended, crn_apart, crn_without_rights

from crn_hub.hub.model_folder import WEIGHTS

MOMENTS = int(os.environ.get("CRN_MOMENTS", "1"))
CHECKPOINT = Path(__file__).parent / "data" / "tf_parity" / "single_32x64" / "model.ckpt"

Arguments = Callable[[Path], list[object]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands read."""
    place = tmp_path_factory.mktemp("place")
    write_folder(place / "streets", rows=24)
    saved_model(place / "model")
    saved_model(place / "other", seed=1)
    (place / "layouts").mkdir()
    for number in range(12):
        ids = np.random.default_rng(number).integers(0, 11, (64, 128), np.uint8)
        Image.fromarray(ids).save(place / "layouts" / f"street-{number}.png")
    return place


@pytest.fixture(scope="module")
def commands(place: Path) -> dict[str, Arguments]:
    """Each command with its arguments, given its output folder."""
    data = ("--dataset", place / "streets")
    small = ("--size", 32, 64, "--steps", 3)
    return {
        "synthesize": lambda output: [
            "synthesize", place / "model", *sorted((place / "layouts").iterdir()), "--output", output,
        ],
        "evaluate": lambda output: [
            "evaluate", place / "model", place / "other", *data, "--output", output, "--size", 32, 64,
        ],
        "train-segmenter": lambda output: ["train-segmenter", *data, "--output", output, *small],
        "convert-tf": lambda output: ["convert-tf", CHECKPOINT, output, "--classes", "cityscapes"],
    }  # fmt: skip


@pytest.fixture(scope="module")
def whole(commands: dict[str, Arguments], tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, float]]:
    """What each command leaves if nothing happens, and how many seconds it takes."""
    left = {}
    for name, arguments in commands.items():
        output = tmp_path_factory.mktemp("whole") / "output"
        ended = crn_apart(*arguments(output))
        assert ended.code == 0, ended.stderr
        left[name] = (output, ended.seconds)
    return left


def assert_results(name: str, output: Path, expected: Path, complete: bool = True) -> None:
    """The files are those of a command that nothing happened to; unless `complete`, some may be missing."""
    files = {file.relative_to(output) for file in output.rglob("*") if file.is_file()} if output.exists() else set()
    wanted = {file.relative_to(expected) for file in expected.rglob("*") if file.is_file()}
    assert files <= wanted
    if complete:
        assert files == wanted
    for file in files:
        if file.suffix == ".png" or file.name in (WEIGHTS, "table.csv"):
            assert (output / file).read_bytes() == (expected / file).read_bytes(), file


def assert_said(ended: Ended, line: str) -> None:
    assert ended.last_line == line, ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("name", ["synthesize", "evaluate", "train-segmenter", "convert-tf"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_stopped_at_any_moment(
    name: str,
    number: signal.Signals,
    commands: dict[str, Arguments],
    whole: dict[str, tuple[Path, float]],
    tmp_path: Path,
) -> None:
    expected, seconds = whole[name]
    seed = time.time_ns()
    print(f"random seed {seed}")  # shown if the test fails
    draw, stopped = random.Random(seed), 0
    for moment in range(MOMENTS):
        output = tmp_path / str(moment) / "output"
        ended = crn_apart(*commands[name](output), stop_after=draw.uniform(0, seconds), number=number)
        if ended.code == 0:
            continue
        stopped += 1
        if number == signal.SIGINT:
            assert ended.code == 128 + signal.SIGINT, ended.stderr
            assert_said(ended, "crn: interrupted.")
            assert not [*tmp_path.rglob(".*")]
            assert_results(name, output, expected, complete=False)
        was_whole = name == "convert-tf" and any(output.glob("[!.]*"))  # stopped when all was done
        again = crn_apart(*commands[name](output))
        assert again.code == (2 if was_whole else 0), again.stderr
        for leftover in output.glob(".*"):  # of a kill, which gave it no time
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        assert_results(name, output, expected)
    print(f"{name}: {stopped} of {MOMENTS} stopped by {number.name}")


@pytest.mark.parametrize("name", ["synthesize", "evaluate", "train-segmenter", "convert-tf"])
def test_a_full_disk_is_one_line(
    name: str, commands: dict[str, Arguments], whole: dict[str, tuple[Path, float]], tmp_path: Path
) -> None:
    ended = crn_apart(*commands[name](tmp_path / "output"), file_bytes=12_000)
    assert ended.code == 1, ended.stderr
    assert "File too large" in ended.last_line
    assert ended.last_line.startswith("crn: ")
    assert "Traceback" not in ended.stderr
    assert not [*tmp_path.rglob(".*")]
    again = crn_apart(*commands[name](tmp_path / "output"))
    assert again.code == 0, again.stderr
    assert_results(name, tmp_path / "output", whole[name][0])


@pytest.mark.skipif(sys.platform != "linux", reason="takes rights away as Linux does")
@pytest.mark.parametrize("name", ["synthesize", "evaluate", "train-segmenter", "convert-tf"])
def test_a_folder_without_rights_is_one_line(name: str, commands: dict[str, Arguments], tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    ended = crn_without_rights(*commands[name](closed / "output"), home=tmp_path / "home")
    assert ended.code == 1, ended.stderr
    assert ended.last_line.startswith("crn: ")
    assert f"nothing may be written in {closed}." in ended.last_line
    assert "Traceback" not in ended.stderr
    assert [*closed.iterdir()] == []


@pytest.mark.skipif(sys.platform != "linux", reason="takes rights away as Linux does")
@pytest.mark.parametrize("name", ["synthesize", "evaluate"])
def test_a_cache_that_another_user_has_made(
    name: str, commands: dict[str, Arguments], whole: dict[str, tuple[Path, float]], tmp_path: Path
) -> None:
    """It can be read and not be written to; and there is no HOME."""
    home = tmp_path / "home"
    (home / "datasets").mkdir(parents=True)
    for folder in (home / "datasets", home):
        folder.chmod(0o555)
    ended = crn_without_rights(*commands[name](tmp_path / "output"), home=home)
    if name == "evaluate":
        assert ended.code == 1
        assert f"cannot write to its cache, {home / 'datasets'} (Permission denied); make room" in ended.last_line
        assert not (tmp_path / "output").exists()
    else:
        assert ended.code == 0, ended.stderr
        assert_results(name, tmp_path / "output", whole[name][0])


@pytest.mark.parametrize("name", ["synthesize", "evaluate", "convert-tf"])
def test_run_twice(
    name: str, commands: dict[str, Arguments], whole: dict[str, tuple[Path, float]], tmp_path: Path
) -> None:
    shutil.copytree(whole[name][0], tmp_path / "output")
    ended = crn_apart(*commands[name](tmp_path / "output"))
    assert ended.code == (2 if name == "convert-tf" else 0), ended.stderr
    assert_results(name, tmp_path / "output", whole[name][0])


@pytest.mark.parametrize("script", ["train_accelerate.py", "app.py", "crn_hub"])
def test_ctrl_c_while_libraries_are_imported_leaves_no_traceback(script: str, tmp_path: Path) -> None:
    command = ["-m", script] if script == "crn_hub" else [str(ROOT / script)]
    for seconds in (0.15, 0.6):
        process = subprocess.Popen(
            [sys.executable, *command], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "CI": "1", "GRADIO_SERVER_PORT": str(free_port())},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert "Traceback" not in err
        assert err.count("\n") <= 1
