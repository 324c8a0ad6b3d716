"""train_accelerate.py as people run it: a subprocess, real features, tiny networks."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from hub_server import HubServer
from PIL import Image
from safetensors.torch import load_file
from test_data import write_folder

import train_accelerate
from crn_hub import CRN
from crn_hub.cli import run
from crn_hub.training.stages import DEFAULT_WIDTHS

TINY = "--resolution 32 --widths 6 6 6 4".split()
ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(ROOT),
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",  # two busy processes with two threads each crawl
}


def command(*arguments: object) -> list[str]:
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "1", "--num_machines", "1"]
    launcher += ["--mixed_precision", "no", "--dynamo_backend", "no", "--cpu"]
    return [*launcher, str(ROOT / "train_accelerate.py"), *map(str, arguments)]


def train(*arguments: object, environment: dict[str, str] = ENVIRONMENT) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command(*arguments), env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def log_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]


def same_weights(one: Path, other: Path) -> bool:
    a, b = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture(scope="module")
def scenes_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few steps on the procedural scenes."""
    folder = tmp_path_factory.mktemp("scenes") / "model"
    done = train(
        *TINY,
        *f"--max_train_steps 6 --checkpointing_steps 2 --checkpoints_total_limit 1 --validation_steps 3 --seed 1 "
        f"--output_dir {folder}".split(),
    )
    assert "img/s" in done.stderr
    assert "conv5_2" in done.stderr
    return folder


def test_a_run_leaves_a_model_with_card_grids_and_log(scenes_run: Path) -> None:
    model = CRN.from_pretrained(scenes_run)
    assert model.size == (32, 64)
    assert model.widths == (6, 6, 6, 4)
    assert sorted(p.name for p in (scenes_run / "grids").iterdir()) == ["step-000003.png", "step-000006.png"]
    assert [p.name for p in scenes_run.glob("checkpoint-*")] == ["checkpoint-4"]  # checkpoints_total_limit 1
    with Image.open(scenes_run / "samples" / "held-out.png") as grid:
        assert grid.size == (2 + 3 * (64 + 2), 2 + 4 * (32 + 2))  # layout | output | photograph, four rows
    card = (scenes_run / "README.md").read_text()
    assert "samples/held-out.png" in card
    assert "| steps | 6 |" in card
    log = log_of(scenes_run)
    assert [entry["step"] for entry in log] == [1, 2, 3, 4, 5, 6]
    assert {"validation_loss", "conv5_2", "images_per_second", "learning_rate"} <= set(log[2])
    assert "validation_loss" not in log[1]
    assert log[0]["loss"] == pytest.approx(sum(log[0][layer] for layer in train_accelerate.LAYERS), rel=1e-5)
    record = model.training_record
    assert record["loss_weights"].keys() == set(train_accelerate.LAYERS)
    assert record["settings"]["seed"] == 1
    assert record["result"]["validation_loss"] == log[-1]["validation_loss"]
    assert not list(scenes_run.glob(".*"))


def test_calibrated_terms_start_about_equal(scenes_run: Path) -> None:
    first = log_of(scenes_run)[0]
    assert all(0.5 / 6 < first[layer] < 2 / 6 for layer in train_accelerate.LAYERS)


def test_a_checkpoint_holds_a_model_that_loads(scenes_run: Path) -> None:
    CRN.from_pretrained(scenes_run / "checkpoint-4" / "model").synthesize(np.zeros((32, 64), np.uint8))


def test_a_killed_run_ends_like_one_never_killed(tmp_path: Path) -> None:
    """SIGKILL in the second epoch; weights, averages and log come out the same, bit for bit."""
    data = write_folder(tmp_path / "streets", rows=8)
    common = [*TINY, *f"--dataset_name {data} --max_train_steps 11 --checkpointing_steps 1".split()]
    common += "--gradient_accumulation_steps 2 --random_flip --use_ema --validation_steps 4 --seed 3".split()
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(*common, "--output_dir", whole)

    process = subprocess.Popen(
        command(*common, "--output_dir", killed), env=ENVIRONMENT, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.time() + 200
    while not (killed / "checkpoint-6").exists():  # 4 steps make an epoch
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.time() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (killed / "model.safetensors").exists()

    again = train(*common, "--output_dir", killed, "--resume_from_checkpoint", "latest")
    assert "resumed from" in again.stdout
    assert same_weights(whole, killed)
    noise = {"images_per_second", "data_share", "memory_gb"}
    assert [{k: v for k, v in e.items() if k not in noise} for e in log_of(whole)] == [
        {k: v for k, v in e.items() if k not in noise} for e in log_of(killed)
    ]
    # With averaging the saved weights are the averages, not the last step's.
    last = load_file(whole / "checkpoint-10" / "model.safetensors")
    average = load_file(whole / "checkpoint-10" / "model" / "model.safetensors")
    assert not torch.equal(last["to_images.weight"], average["to_images.weight"])


def test_any_data_set_with_own_columns_and_classes(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "streets", rows=12, columns=("photo", "mask"))
    (data / "classes.json").rename(tmp_path / "mine.json")
    out = tmp_path / "model"
    train(
        *TINY,
        *f"--dataset_name {data} --image_column photo --label_column mask --classes {tmp_path / 'mine.json'}".split(),
        *"--max_train_samples 3 --num_train_epochs 2 --train_batch_size 2 --num_images 2".split(),
        *f"--lr_scheduler linear --learning_rate 0.01 --mixed_precision bf16 --output_dir {out}".split(),
    )
    model = CRN.from_pretrained(out)
    assert model.num_images == 2
    assert model.training_record["license"] == "cc-by-4.0"
    rates = [entry["learning_rate"] for entry in log_of(out)]
    assert rates == pytest.approx([0.01, 0.0075, 0.005, 0.0025])  # 3 rows, batches of 2, 2 epochs
    with Image.open(out / "samples" / "held-out.png") as grid:
        assert grid.width == 2 + 4 * (64 + 2)  # layout | 2 outputs | photograph


def test_training_starts_from_another_model_and_grows_it(scenes_run: Path, tmp_path: Path) -> None:
    """A tiny learning rate keeps what was taken over; features come from a file; the module added is new."""
    from crn_hub.perceptual import VGG16_IN_THE_BOX

    out = tmp_path / "grown"
    done = train(
        *"--resolution 64 --widths 6 6 6 4 4 --max_train_steps 1 --learning_rate 1e-12 --lr_scheduler constant".split(),
        *f"--init_from {scenes_run} --perceptual_net {VGG16_IN_THE_BOX} --output_dir {out}".split(),
    )
    assert "4 of 5 modules start from" in done.stdout
    coarse, grown = CRN.from_pretrained(scenes_run), CRN.from_pretrained(out)
    assert grown.size == (64, 128)
    for key, tensor in coarse.stages.state_dict().items():
        assert torch.allclose(grown.stages.state_dict()[key], tensor, atol=1e-6)


def test_a_run_pushes_its_model_and_another_starts_from_it(tmp_path: Path) -> None:
    with HubServer() as hub:
        environment = {**ENVIRONMENT, "HF_HUB_OFFLINE": "0", **hub.environment(tmp_path / "home")}
        first = "--max_train_steps 2 --checkpointing_steps 1 --push_to_hub --hub_model_id org/tiny".split()
        train(*TINY, *first, "--output_dir", tmp_path / "first", environment=environment)
        files = set(hub.repos["models", "org/tiny"].files)
        assert {"config.json", "model.safetensors", "README.md", "training.json", "samples/held-out.png"} <= files
        assert not any(file.startswith(("checkpoint", "grids")) for file in files)

        second = "--resolution 32 --max_train_steps 1 --learning_rate 1e-12 --init_from org/tiny".split()
        train(*second, "--output_dir", tmp_path / "second", environment=environment)
        before, after = (load_file(tmp_path / run / "model.safetensors") for run in ("first", "second"))
        assert all(torch.allclose(before[key], after[key], atol=1e-6) for key in before)

        with hub.failing("/api/repos/create", 403):
            refused = subprocess.run(
                command(*TINY, *first[:-1], "org/forbidden", "--output_dir", tmp_path / "third"),
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
            )
        assert refused.returncode != 0
        (line,) = [line for line in refused.stderr.splitlines() if line.startswith("train_accelerate.py: ")]
        assert line == (
            "train_accelerate.py: --push_to_hub: org/forbidden cannot be created: the Hub answered 403 Forbidden."
        )
        assert not (tmp_path / "third").exists()  # found before the first step


def test_the_loss_falls(tmp_path: Path) -> None:
    out = tmp_path / "model"
    train(*TINY, *f"--max_train_steps 60 --learning_rate 0.01 --max_train_samples 2 --output_dir {out}".split())
    losses = [entry["loss"] for entry in log_of(out)]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resolution", "48"], "--resolution 48"),
        (["--resolution", "32", "--widths", "4", "4"], "2 widths make images 8 pixels high"),
        (["--learning_rate", "0"], "--learning_rate"),
        (["--train_batch_size", "zero"], "--train_batch_size"),
        (["--lr_scheduler", "bump"], "cosine"),
        (["--max_train_step", "3"], "--max_train_step"),
        (["--dataset_name", "./nowhere"], "no such folder"),
        (["--init_from", "./nowhere"], "no such folder"),
        (["--perceptual_net", "vgg7"], "vgg7"),
        (["--classes", "kitti"], "kitti"),
        (["--classes", "cityscapes"], "the street scenes have the classes of CamVid"),
        (["--dataset_name", ""], "an empty name"),
        (["--init_from", ""], "empty"),
        (["--resume_from_checkpoint", "elsewhere"], "elsewhere is no checkpoint"),
        (
            ["--push_to_hub", "--hub_model_id", "bad name!"],
            "--hub_model_id: 'bad name!' is no id of a Hub repo; right is",
        ),
        (
            ["--push_to_hub", "--output_dir", "bad name!"],
            "--hub_model_id: 'bad name!' is no id of a Hub repo; right is",
        ),
    ],
)
def test_bad_arguments_end_with_one_line_and_nothing_written(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train_accelerate.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        run(train_accelerate.app)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_checkpoints_is_not_written_over(scenes_run: Path) -> None:
    done = subprocess.run(
        command(*TINY, "--output_dir", scenes_run), env=ENVIRONMENT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode != 0
    assert "train_accelerate.py: " in done.stderr
    assert "holds checkpoint-4 of an earlier run" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resolution", "32", "--widths", "6", "6", "6", "5"], "widths was [6, 6, 6, 4], now [6, 6, 6, 5]"),
        ([*TINY, "--num_images", "2"], "num_images was 1, now 2"),
        ([*TINY, "--seed", "2"], "seed was 1, now 2"),
        ([*TINY, "--use_ema"], "use_ema was False, now True"),
        ([*TINY, "--max_train_steps", "3"], "is at step 4, after the 3 steps asked for"),
    ],
)
def test_another_runs_checkpoint_is_refused(
    scenes_run: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = (scenes_run / "training_log.jsonl").read_text()
    line = ["train_accelerate.py", "--output_dir", str(scenes_run), "--resume_from_checkpoint", "latest", "--seed", "1"]
    monkeypatch.setattr(sys, "argv", [*line[: -2 if "--seed" in arguments else None], *arguments])
    with pytest.raises(SystemExit) as ended:
        run(train_accelerate.app)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert (scenes_run / "training_log.jsonl").read_text() == before


def test_a_card_that_was_there_before_stays(scenes_run: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Ours")
    train(*TINY, "--max_train_steps", 1, "--output_dir", tmp_path)
    assert (tmp_path / "README.md").read_text() == "# Ours"
    again = subprocess.run(
        command(*TINY, "--output_dir", tmp_path), env=ENVIRONMENT, capture_output=True, text=True, timeout=120
    )
    assert "holds a trained model" in again.stderr


def test_default_widths_fit_their_resolution_and_grow_into_each_other() -> None:
    for height, widths in DEFAULT_WIDTHS.items():
        assert 4 * 2 ** (len(widths) - 1) == height
    table = list(DEFAULT_WIDTHS.values())
    assert all(longer[: len(shorter)] == shorter for shorter, longer in pairwise(table))


def test_help_names_every_argument(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train_accelerate.py", "--help"])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        run(train_accelerate.app)
    assert not ended.value.code
    text = capsys.readouterr().out
    for name in train_accelerate.Arguments.__dataclass_fields__:
        assert f"--{name}" in text
