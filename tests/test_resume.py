"""A run that is killed, stopped or out of disk, in a process of its own by real signals, and resumed in another."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.data_folders import write_folder
from support.forked_runs import ForkedRun, die, train_apart, train_in_two
from support.resumed_runs import EVERY, STEPS, Run, assert_same
from support.training_script import (
    ENVIRONMENT,
    TINY,
    command,
    fails,
    log_of,
    on_one_core,
    script,
    start_torchrun,
    train,
)

from crn_hub import CRN
from crn_hub.training.checkpoints import clear_leftovers


def wait_for(condition: Callable[[], bool], process: "ForkedRun | subprocess.Popen[str]") -> None:
    deadline = time.time() + 100
    while not condition():
        assert process.poll() is None, "ended too early"
        assert time.time() < deadline
        time.sleep(0.002)


def logged(folder: Path) -> int:
    file = folder / "training_log.jsonl"
    return file.read_text().count("\n") if file.exists() else 0


@pytest.fixture(scope="module")
def one_stage(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """With everything that could go wrong: averages, accumulation, augmentation, calibration in the middle."""
    folder = tmp_path_factory.mktemp("one-stage")
    data = write_folder(folder / "streets", rows=8)
    common = [*TINY, *f"--dataset_name {data} --max_train_steps {STEPS} --checkpointing_steps {EVERY}".split()]
    common += "--gradient_accumulation_steps 2 --random_flip --color_jitter 0.2 --use_ema --num_images 2".split()
    common += "--simplify_layouts 0.5 --loss_window 16 --best_image per_layout --loss_layers input conv2_2".split()
    common += "--validation_steps 4 --seed 3 --calibration_step 5 --checkpoints_total_limit 1".split()
    train(*common, "--output_dir", folder / "whole")
    return common, folder / "whole"


@pytest.fixture(scope="module")
def two_stages(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("two-stages")
    common = [*TINY, *f"--max_train_samples 6 --stages 16:4 32:7 --checkpointing_steps {EVERY} --use_ema".split()]
    train(*common, "--output_dir", folder / "whole")
    return common, folder / "whole"


@pytest.mark.parametrize(
    ("at", "count", "when"),
    [
        ("accelerate:Accelerator.backward", 1, "before"),  # in the first step
        ("accelerate:Accelerator.backward", 11, "after"),  # in the second epoch, between accumulated batches
        ("crn_hub.losses.perceptual:PerceptualLoss.calibrate", 1, "before"),
        ("crn_hub.losses.perceptual:PerceptualLoss.calibrate", 1, "after"),
        ("accelerate.checkpointing:save", 5, "after"),  # while the second checkpoint is written
        # Between accelerate's part of the third checkpoint and its model.
        ("crn_hub.networks.cascade:CRN.save_pretrained", 3, "before"),
        ("crn_hub.training.checkpoints:_discard", 2, "before"),  # written, but the oldest is still there
        ("shutil:rmtree", 7, "after"),  # while old ones are removed
        ("crn_hub.networks.cascade:CRN.save_pretrained", 6, "before"),  # trained, but the model is not saved
    ],
)
def test_killed_and_resumed_is_like_never_killed(
    one_stage: Run, tmp_path: Path, at: str, count: int, when: str
) -> None:
    common, whole = one_stage
    arguments = [*common, "--resume_from_checkpoint", "latest", "--output_dir", str(tmp_path / "run")]
    die(arguments, at, count, when)
    assert not (tmp_path / "run" / "model.safetensors").exists()
    done = train(*arguments)
    assert "ended without a word; taken over" in done.stdout
    assert ("resumed from" in done.stdout) == (not (at.endswith("backward") and count == 1))
    assert_same(whole, tmp_path / "run")


@pytest.mark.parametrize(
    ("at", "count"),
    [
        ("crn_hub.training.stage_run:save_checkpoint", 2),  # at the end of the first stage
        ("accelerate:Accelerator.backward", 5),  # after it
    ],
)
def test_killed_between_two_stages(two_stages: Run, tmp_path: Path, at: str, count: int) -> None:
    common, whole = two_stages
    arguments = [*common, "--resume_from_checkpoint", "latest", "--output_dir", str(tmp_path / "run")]
    die(arguments, at, count, "before")
    train(*arguments)
    assert_same(whole, tmp_path / "run")
    one, two = (json.loads((folder / "training.json").read_text()) for folder in (whole, tmp_path / "run"))
    assert one["started_from"]["settings"] == two["started_from"]["settings"] | {
        key: one["started_from"]["settings"][key] for key in ("output_dir", "resume_from_checkpoint")
    }


def test_killed_again_and_again_at_random(one_stage: Run, tmp_path: Path) -> None:
    common, whole = one_stage
    arguments = [*common, "--resume_from_checkpoint", "latest", "--output_dir", str(tmp_path / "run")]
    seed = int(time.time())
    print(f"random seed {seed}")  # shown if the test fails
    draw = random.Random(seed)
    for _ in range(3):
        process = ForkedRun(*arguments)
        logged_at_death = draw.randint(1, STEPS - 1)
        while process.poll() is None and logged(tmp_path / "run") < logged_at_death:
            time.sleep(0.001)
        time.sleep(draw.random() * 0.1)
        process.kill()
        process.done()
        if (tmp_path / "run" / "model.safetensors").exists():
            break
    else:
        train(*arguments)
    assert_same(whole, tmp_path / "run")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_first(one_stage: Run, tmp_path: Path, number: signal.Signals) -> None:
    """To the whole group, as Ctrl-C and batch systems send it, with workers that prepare the pairs."""
    common, whole = one_stage
    folder = tmp_path / "run"
    arguments = [*common, "--output_dir", str(folder), "--checkpointing_steps", "1000"]
    arguments.remove(str(EVERY))
    del arguments[arguments.index("--checkpointing_steps")]
    process = ForkedRun(*arguments, "--dataloader_num_workers", 2)
    wait_for(lambda: logged(folder) >= 3, process)
    os.killpg(process.pid, number)
    done = process.done(60)
    assert done.code == 128 + number, done.stderr[-2000:]
    (checkpoint,) = folder.glob("checkpoint-*")
    assert f"stopped by {number.name}: {checkpoint.name} is saved" in done.stdout
    assert f"{number.name}: what is trained is being saved" in done.stderr
    assert "Traceback" not in done.stderr
    train(*common, "--output_dir", folder, "--resume_from_checkpoint", "latest")
    assert_same(whole, folder)


def test_the_end_of_the_launcher_saves_too(one_stage: Run, tmp_path: Path) -> None:
    """`accelerate launch` forwards no signals; whoever ends it wants to end the training."""
    common, whole = one_stage
    folder = tmp_path / "run"
    launcher = subprocess.Popen(
        command(*replaced(common, ["--checkpointing_steps", "1000"]), "--output_dir", folder),
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=on_one_core,
    )
    wait_for(lambda: logged(folder) >= 3, launcher)
    launcher.terminate()
    _, err = launcher.communicate()  # ends when the training has ended
    assert "SIGTERM: what is trained is being saved" in err
    assert len(list(folder.glob("checkpoint-*"))) == 1
    train(*common, "--output_dir", folder, "--resume_from_checkpoint", "latest")
    assert_same(whole, folder)


def test_a_signal_after_the_last_step_waits_for_the_model(
    one_stage: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of the last steps there is no checkpoint."""
    common, whole = one_stage
    save = CRN.save_pretrained

    def interrupted(model: CRN, folder: Path, **options: object) -> None:
        if Path(folder).name == "run":
            os.kill(os.getpid(), signal.SIGINT)
        save(model, folder, **options)

    monkeypatch.setattr(CRN, "save_pretrained", interrupted)
    said = train(*common, "--output_dir", tmp_path / "run").stdout
    assert "the model is in" in said
    assert "SIGINT: what is trained is being saved" in capfd.readouterr().err
    assert_same(whole, tmp_path / "run")


def test_a_later_second_signal_ends_at_once() -> None:
    code = """
import os, signal, time
from crn_hub.training import signals
signals.ECHO = 0.2
with signals.StopRequest() as stop:
    for pause in (0, 0.01, 0.3):
        time.sleep(pause)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        print(stop.signal.name, flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGINT
    assert done.stdout.split() == ["SIGINT", "SIGINT"]  # an echo, then the end


def test_two_processes_resume_exactly_and_rehearse(one_stage: Run, tmp_path: Path) -> None:
    common, whole, stopped = one_stage[0], tmp_path / "whole", tmp_path / "run"
    common = replaced(common, ["--gradient_accumulation_steps", "1"])
    train_in_two(*common, "--output_dir", whole)
    launcher = start_torchrun(*common, "--output_dir", stopped)
    wait_for(lambda: logged(stopped) >= 3, launcher)
    launcher.terminate()
    launcher.communicate()
    assert not (stopped / "model.safetensors").exists()
    newest = max(stopped.glob("checkpoint-*"), key=lambda folder: int(folder.name.removeprefix("checkpoint-")))
    assert sorted(p.name for p in newest.glob("random*")) == ["random_states_0.pkl", "random_states_1.pkl"]
    assert "resumed from" in train_in_two(*common, "--output_dir", stopped, "--resume_from_checkpoint", "latest")
    assert_same(whole, stopped)
    assert CRN.from_pretrained(stopped).training_record["settings"]["num_processes"] == 2

    said = train_in_two(*common, "--dry_run", "--output_dir", tmp_path / "dry")
    assert "dry run: built, trained, validated, saved, loaded" in said
    assert not (tmp_path / "dry").exists()


def test_an_earlier_checkpoint_leaves_the_later_ones_behind(one_stage: Run, tmp_path: Path) -> None:
    """`latest` must not go back to steps that were abandoned."""
    common = replaced(one_stage[0], ["--checkpoints_total_limit", "9"])
    folder = tmp_path / "run"
    train(*common, "--output_dir", folder)
    arguments = [*replaced(common, ["--learning_rate", "0.001"]), "--output_dir", str(folder)]
    arguments += ["--resume_from_checkpoint", str(folder / "checkpoint-4")]
    die(arguments, "crn_hub.training.stage_run:save_checkpoint", 1, "after")
    assert sorted(p.name for p in folder.glob("checkpoint-*")) == ["checkpoint-2", "checkpoint-4", "checkpoint-6"]
    rates = [entry["learning_rate"] for entry in log_of(folder)]
    assert [rate > 3e-4 for rate in rates] == [False] * 4 + [True] * 2


def test_a_damaged_checkpoint_is_one_line(one_stage: Run, tmp_path: Path) -> None:
    common, whole = one_stage
    shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "run" / "model.safetensors").unlink()
    (tmp_path / "run" / "training.json").unlink()  # as if it had not finished
    checkpoint = tmp_path / "run" / "checkpoint-10"
    for damage in (lambda file: file.write_bytes(b""), lambda file: file.unlink()):
        damage(checkpoint / "optimizer.bin")
        line = fails(*common, "--output_dir", tmp_path / "run", "--resume_from_checkpoint", "latest")
        assert f"{checkpoint}: cannot be read (" in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": None}, "was written by another version of crn_hub (checkpoints of version 1, here 2)"),
        ({"version": 3}, "was written by another version of crn_hub (checkpoints of version 3, here 2)"),
        ({"seconds": None}, "not a whole checkpoint of this script (progress.json: KeyError('seconds'))"),
        ({"facts": None}, "not a whole checkpoint of this script (progress.json: KeyError('facts'))"),
    ],
)
def test_progress_that_cannot_be_used_is_one_line(
    one_stage: Run, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    common, whole = one_stage
    checkpoint = tmp_path / "checkpoint-10"
    shutil.copytree(whole / "checkpoint-10", checkpoint)
    progress = json.loads((checkpoint / "progress.json").read_text()) | change
    kept = {name: value for name, value in progress.items() if value is not None}
    (checkpoint / "progress.json").write_text(json.dumps(kept))
    line = fails(*common, "--output_dir", tmp_path, "--resume_from_checkpoint", checkpoint)
    assert f"{checkpoint}" in line
    assert message in line


def test_only_a_runs_own_leftovers_are_cleared_away(tmp_path: Path) -> None:
    own = [".training_log.jsonl.k3x0q_9a.part", ".left_out_rows.txt.abcdefgh.part"]
    others = [".thesis.part", "training_log.jsonl.part", "left_out_rows.txt"]
    for name in (*own, *others):
        (tmp_path / name).write_text("")
    for name in (".saving-x", ".probe-x", ".checkpoint-draft"):
        (tmp_path / name).mkdir()
    clear_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)


def test_a_finished_run_of_an_earlier_version_has_finished(one_stage: Run, tmp_path: Path) -> None:
    """Its checkpoints are not needed, and of an argument that was not there yet it had the default."""
    common, whole = one_stage
    shutil.copytree(whole, tmp_path / "run")
    file = tmp_path / "run" / "checkpoint-10" / "progress.json"
    progress = json.loads(file.read_text())
    del progress["version"]
    file.write_text(json.dumps(progress))
    record = json.loads((tmp_path / "run" / "training.json").read_text())
    for name in ("system", "segmenter", "adam_beta1"):
        del record["settings"][name]
    (tmp_path / "run" / "training.json").write_text(json.dumps(record))
    arguments = [*common, "--resume_from_checkpoint", "latest", "--output_dir", tmp_path / "run"]
    assert "this run has finished; the model is in" in train(*arguments).stdout
    assert "written by another version" in fails(*replaced(list(map(str, arguments)), ["--learning_rate", "0.001"]))


def test_a_finished_run_is_not_run_again(one_stage: Run, tmp_path: Path) -> None:
    common, whole = one_stage
    shutil.copytree(whole, tmp_path / "run")
    before = (tmp_path / "run" / "training_log.jsonl").stat().st_mtime_ns
    arguments = [*common, "--resume_from_checkpoint", "latest", "--output_dir", tmp_path / "run"]
    for _ in range(2):
        assert "this run has finished; the model is in" in train(*arguments).stdout
        assert (tmp_path / "run" / "training_log.jsonl").stat().st_mtime_ns == before
        for checkpoint in (tmp_path / "run").glob("checkpoint-*"):  # a short run has none
            shutil.rmtree(checkpoint)
    other = [*replaced(common, ["--learning_rate", "0.001"]), "--resume_from_checkpoint", "latest"]
    assert "holds a trained model and no checkpoint" in fails(*other, "--output_dir", tmp_path / "run")


def test_workers_change_nothing(one_stage: Run, tmp_path: Path) -> None:
    common, whole = one_stage
    train_apart(*common, "--dataloader_num_workers", 3, "--output_dir", tmp_path / "run")
    assert_same(whole, tmp_path / "run")


def test_no_room_for_a_checkpoint_is_found_before_the_first_step(one_stage: Run, tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: the kernel refuses in the same place."""
    common, _ = one_stage
    done = subprocess.run(
        script(*common, "--output_dir", tmp_path / "run"),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)),
        timeout=100,
    )
    assert done.returncode == 1
    assert "GB can be written there" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_written_is_found_before_the_first_step(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = fails(*TINY, "--output_dir", tmp_path / "file" / "run")
    assert f"--output_dir {tmp_path / 'file' / 'run'}: {tmp_path / 'file'} is a file, not a folder." in line


def test_a_disk_that_fills_up_costs_no_checkpoint(one_stage: Run, tmp_path: Path) -> None:
    common, whole = one_stage
    folder = tmp_path / "run"
    process = ForkedRun(*common, "--output_dir", folder)
    wait_for((folder / "checkpoint-2").exists, process)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (12_000, 12_000))  # enough for the log, not for a checkpoint
    done = process.done(100)
    assert done.code == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("train_accelerate.py: ")]
    (left,) = folder.glob("checkpoint-*")
    assert "File too large" in line
    assert f"{left.name} is whole" in line
    train(*common, "--output_dir", folder, "--resume_from_checkpoint", "latest")
    assert_same(whole, folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--widths", "6", "6", "6", "5"], "widths was [6, 6, 6, 4], now [6, 6, 6, 5]"),
        (["--resolution", "16", "--widths", "6", "6", "6"], "heights was [32], now [16]"),
        (["--num_images", "1"], "num_images was 2, now 1"),
        (["--seed", "2"], "seed was 3, now 2"),
        (["--classes", "cityscapes"], "classes was ['sky', "),
        (["--loss_layers", "input"], "loss_layers was ['input', 'conv2_2'], now ['input']"),
        (["--max_train_samples", "5"], "rows was 7, now 5"),
        (["--dataset_name", "OTHER"], "checksum_of_two_rows was "),
        (["--max_train_steps", "3", "--calibration_step", "0"], "is at step 10, beyond the 3 steps of its stage"),
    ],
)
def test_another_run_is_not_resumed(one_stage: Run, tmp_path: Path, change: list[str], message: str) -> None:
    """Refused, naming what differs, also if a data set has the same name and number of rows but other pictures."""
    common, whole = one_stage
    if "OTHER" in change:
        other = write_folder(tmp_path / "streets", rows=8, first=100)
        change = ["--dataset_name", str(other)]
    before = (whole / "training_log.jsonl").read_text()
    line = fails(*replaced(common, change), "--resume_from_checkpoint", "latest", "--output_dir", whole)
    assert message in line
    assert (whole / "training_log.jsonl").read_text() == before


def replaced(arguments: list[str], change: list[str]) -> list[str]:
    """The command line with the options of `change` instead of its own."""
    kept, dropping = [], False
    for argument in arguments:
        if argument.startswith("--"):
            dropping = argument in change
        if not dropping:
            kept.append(argument)
    return [*kept, *change]


def test_settings_that_changed_are_reported(one_stage: Run, tmp_path: Path) -> None:
    """A data folder may have another name, if its rows are the same; and a checkpoint is found by its name alone."""
    common, _ = one_stage
    die([*common, "--output_dir", str(tmp_path / "run")], "accelerate:Accelerator.backward", 7, "before")
    renamed = shutil.copytree(common[common.index("--dataset_name") + 1], tmp_path / "renamed")
    done = train(
        *replaced(common, ["--learning_rate", "0.001", "--dataset_name", str(renamed)]),
        *["--resume_from_checkpoint", "checkpoint-2", "--output_dir", tmp_path / "run"],
    )
    assert "checkpoint-2 at step 2" in done.stdout
    (changed,) = [line for line in done.stdout.splitlines() if line.startswith("settings that have changed: ")]
    assert "dataset_name streets -> renamed" in changed
    assert "learning_rate 0.0003 -> 0.001" in changed
