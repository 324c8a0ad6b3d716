"""train_accelerate.py with real features and tiny networks."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file
from support.browsing import styled_model
from support.data_folders import bad_folder, pair, png, spoil, write_folder
from support.forked_runs import train_apart
from support.hub_client import child_process
from support.hub_server import HubServer
from support.training_script import ENVIRONMENT, TINY, fails, launch, log_of, run_here, train

import train_accelerate
from crn_hub import CRN, ClassSet
from crn_hub.cli import run
from crn_hub.losses import PerceptualLoss, Seen
from crn_hub.training.arguments import Arguments
from crn_hub.training.stage_run import loss_window
from crn_hub.training.validation import sample_grid, style_grid
from crn_hub.vgg import LAYERS


@pytest.fixture(scope="module")
def scenes_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few steps on a few of the procedural scenes."""
    folder = tmp_path_factory.mktemp("scenes") / "model"
    train(
        *TINY,
        *"--max_train_samples 6 --max_train_steps 6 --checkpointing_steps 2 --checkpoints_total_limit 1".split(),
        *f"--validation_steps 3 --seed 1 --output_dir {folder}".split(),
    )
    return folder


def test_launched_as_people_launch_it(tmp_path: Path) -> None:
    done = launch(*TINY, "--max_train_steps", 2, "--output_dir", tmp_path / "model")
    assert "img/s" in done.stderr
    assert "conv5_2" in done.stderr
    assert CRN.from_pretrained(tmp_path / "model").size == (32, 64)
    with Image.open(tmp_path / "model" / "samples" / "loss-curves.png") as curves:
        assert len(curves.getcolors() or range(999)) > 100


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
    assert log[0]["loss"] == pytest.approx(sum(log[0][layer] for layer in LAYERS), rel=1e-5)
    record = model.training_record
    assert record["loss_weights"].keys() == set(LAYERS)
    assert record["settings"]["seed"] == 1
    assert record["result"]["validation_loss"] == log[-1]["validation_loss"]
    assert not list(scenes_run.glob(".*"))


def test_calibrated_terms_start_about_equal(scenes_run: Path) -> None:
    first = log_of(scenes_run)[0]
    assert all(0.5 / 6 < first[layer] < 2 / 6 for layer in LAYERS)


def test_calibration_looks_at_each_row_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, calibrate = [], PerceptualLoss.calibrate

    def counting(loss: PerceptualLoss, batches: Iterable[Seen]) -> None:
        seen = [*batches]
        rows.append(len(seen))
        calibrate(loss, seen)

    monkeypatch.setattr(PerceptualLoss, "calibrate", counting)
    train(*TINY, *"--max_train_samples 3 --max_train_steps 1 --output_dir".split(), tmp_path / "model")
    assert rows == [3]


def test_a_checkpoint_holds_a_model_that_loads(scenes_run: Path) -> None:
    CRN.from_pretrained(scenes_run / "checkpoint-4" / "model").synthesize(np.zeros((32, 64), np.uint8))


def test_a_number_of_threads_is_kept_unless_the_launcher_has_chosen_it(
    scenes_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hardware(folder: Path) -> str:
        return CRN.from_pretrained(folder).training_record["result"]["hardware"]

    assert hardware(scenes_run).startswith("1 process on 1 thread,")  # OMP_NUM_THREADS of all tests
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")  # as `accelerate launch` does
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    try:
        train(*TINY, *"--max_train_steps 1 --max_train_samples 4 --output_dir".split(), tmp_path / "model")
    finally:
        torch.set_num_threads(1)
    assert hardware(tmp_path / "model").startswith("1 process on 2 threads,")


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


def two_folders(folder: Path, rows: int = 12) -> Path:
    for number in range(rows):
        for kind, column in (("train_img", "image"), ("train_label", "label")):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            pair(number)[column].save(folder / kind / f"{number:03}.png")
    (folder / "classes.json").write_text(json.dumps(ClassSet.camvid().to_list()))
    return folder


def test_two_folders_train_and_what_their_labels_were_taken_for_is_shown_and_recorded(tmp_path: Path) -> None:
    data, out = two_folders(tmp_path / "data"), tmp_path / "model"
    common = [*TINY, "--dataset_name", data, "--ignore_label", 11, "--max_train_steps", 2, "--output_dir", out]
    rehearsed = train(*common, "--dry_run").stdout
    assert rehearsed.count("labels of 11 rows, read as ids") == 1  # although it prepares twice
    said = train(*common).stdout
    assert "trained on: train, 11 rows; held out: last rows, 1 rows" in said
    assert re.search(r"^sky +\d\.\d+% +\d+$", said, re.MULTILINE)
    assert "of id 11, treated as unlabelled; the first: row 0" in said
    assert "33% of the photographs are cut off to give them the shape of 32 x 64" in said
    assert "warning" not in said
    assert said.index("labels of 11 rows") < said.index("cascaded refinement network")
    record = CRN.from_pretrained(out).training_record
    assert record["splits"] == {"train": "train", "held_out": "last rows"}
    assert record["labels"]["classes"][0]["name"] == "sky"
    assert sum(row["share"] for row in record["labels"]["classes"]) == pytest.approx(1, abs=1e-3)
    assert record["labels"]["warnings"] == []
    card = (out / "README.md").read_text()
    assert "### Labels" in card
    assert "What the labels of 11 rows were taken for, read as ids. Trained on: train; held out: last rows." in card


def test_warnings_on_labels_come_before_the_first_step_and_are_kept(tmp_path: Path) -> None:
    data, out = two_folders(tmp_path / "data"), tmp_path / "model"
    said = train(*TINY, "--dataset_name", data, "--max_train_steps", 2, "--output_dir", out).stdout
    warning = "ids 0 and 11 both occur, and 11 classes have the ids 0 to 10; 11 was read as unlabelled."
    assert said.count(f"warning: {warning}") == 1
    assert CRN.from_pretrained(out).training_record["labels"]["warnings"][0].startswith(warning)
    assert warning in (out / "README.md").read_text()


def test_images_of_another_shape_are_trained(tmp_path: Path) -> None:
    data, out = two_folders(tmp_path / "data"), tmp_path / "model"
    said = train(
        *f"--resolution 32 40 --widths 6 6 6 4 --dataset_name {data} --ignore_label 11".split(),
        *f"--max_train_steps 2 --output_dir {out}".split(),
    ).stdout
    model = CRN.from_pretrained(out)
    assert (model.size, model.base_size) == ((32, 40), (4, 5))
    assert model.training_record["settings"]["resolution"] == [32, 40]
    assert "6% of the photographs are cut off" in said
    assert "| image height x width | 32 x 40 |" in (out / "README.md").read_text()
    again = "--resume_from_checkpoint latest --max_train_steps 2 --ignore_label 11".split()
    common = ["--widths", 6, 6, 6, 4, "--dataset_name", data, "--output_dir", out]
    assert "this run has finished" in train("--resolution", 32, 40, *common, *again).stdout
    assert "holds a trained model" in fails("--resolution", 32, 48, *common, *again)


def test_scenes_of_another_shape(tmp_path: Path) -> None:
    common = "--resolution 40 64 --widths 4 4 4 4 --max_train_samples 4 --max_train_steps 2".split()
    train(*common, "--output_dir", tmp_path / "model")
    assert CRN.from_pretrained(tmp_path / "model").size == (40, 64)
    assert "1 to 3 times as wide as high" in fails("--resolution", 64, 32, "--output_dir", tmp_path / "upright")


def test_a_split_is_chosen_and_labels_that_nobody_drew_are_refused(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "data", rows=8)
    (data / "data" / "train-00000-of-00001.parquet").rename(data / "data" / "night-00000-of-00001.parquet")
    out = ["--max_train_steps", 2, "--output_dir", tmp_path / "model"]
    said = train(*TINY, "--dataset_name", data, *out).stdout
    assert "has no split train; trained on: night." in said
    write_folder(tmp_path / "more", rows=4)
    shutil.copy(tmp_path / "more/data/train-00000-of-00001.parquet", data / "data" / "day-00000-of-00001.parquet")
    said = fails(*TINY, "--dataset_name", data, "--output_dir", tmp_path / "x")
    assert "no split is called train; there are day, night; name the one to train on (--train_split)" in said
    both = ["--train_split", "night", "--validation_split", "day", "--output_dir", tmp_path / "second"]
    said = train(*TINY, "--dataset_name", data, "--max_train_steps", 2, *both).stdout
    assert "trained on: night, 8 rows; held out: day, 4 rows" in said
    for file in (two_folders(tmp_path / "void") / "train_label").iterdir():
        Image.new("L", (48, 36), 255).save(file)
    said = fails(*TINY, "--dataset_name", tmp_path / "void", "--output_dir", tmp_path / "x")
    assert "void: no pixel of the rows is labelled" in said


def test_terms_of_the_data_reach_the_card(tmp_path: Path) -> None:
    """A licence that the Hub doesn't know, and sources with citations, as of the streets data set."""
    data = write_folder(tmp_path / "streets", rows=12)
    (data / "README.md").write_text("---\nlicense: other\nlicense_name: non-commercial-research\n---\n# Streets\n")
    (file,) = data.glob("data/*.parquet")
    sources = pa.array(["camvid", "labelmefacade"] * 6)
    pq.write_table(pq.read_table(file).append_column("source", sources), file)
    train(*TINY, *f"--dataset_name {data} --max_train_steps 2 --output_dir {tmp_path / 'model'}".split())
    record = CRN.from_pretrained(tmp_path / "model").training_record
    assert record["license"] == "non-commercial-research"
    card = ModelCard.load(tmp_path / "model" / "README.md")
    assert (card.data.license, card.data.license_name) == ("other", "non-commercial-research")
    licence, cited = card.text.split("## Licence")[1].split("## Citations")
    assert "Licence of the weights: non-commercial-research;" in licence
    assert [author in cited for author in ("Brostow", "Fauqueur", "Fröhlich", "Denzler")] == [True] * 4
    assert len(record["citations"]) == 2


def test_training_starts_from_another_model_and_grows_it(scenes_run: Path, tmp_path: Path) -> None:
    """A tiny learning rate keeps what was taken over; features come from a file; the module added is new."""
    from crn_hub.vgg import VGG16_IN_THE_BOX

    out = tmp_path / "grown"
    done = train(
        *"--resolution 64 --widths 6 6 6 4 4 --max_train_steps 1 --learning_rate 1e-12 --lr_scheduler constant".split(),
        *f"--max_train_samples 4 --init_from {scenes_run} --perceptual_net {VGG16_IN_THE_BOX}".split(),
        *("--output_dir", out),
    )
    assert "4 of 5 modules start from" in done.stdout
    coarse, grown = CRN.from_pretrained(scenes_run), CRN.from_pretrained(out)
    assert grown.size == (64, 128)
    for key, tensor in coarse.stages.state_dict().items():
        assert torch.allclose(grown.stages.state_dict()[key], tensor, atol=1e-6)


def test_a_run_pushes_its_model_and_another_starts_from_it(tmp_path: Path) -> None:
    with HubServer() as hub, child_process(hub.environment(tmp_path / "home")) as call:
        few = ["--max_train_samples", 4]
        first = [*few, *"--max_train_steps 2 --checkpointing_steps 1 --push_to_hub --hub_model_id org/tiny".split()]
        call(train, *TINY, *first, "--output_dir", tmp_path / "first")
        files = set(hub.repos["models", "org/tiny"].files)
        assert {"config.json", "model.safetensors", "README.md", "training.json", "samples/held-out.png"} <= files
        assert not any(file.startswith(("checkpoint", "grids")) for file in files)

        second = "--resolution 32 --max_train_steps 1 --learning_rate 1e-12 --init_from org/tiny".split()
        call(train, *few, *second, "--output_dir", tmp_path / "second")
        before, after = (load_file(tmp_path / run / "model.safetensors") for run in ("first", "second"))
        assert all(torch.allclose(before[key], after[key], atol=1e-6) for key in before)

        with hub.failing("/api/repos/create", 403):
            refused = call(run_here, *TINY, *first[:-1], "org/forbidden", "--output_dir", tmp_path / "third")
        assert refused.code != 0
        (line,) = [line for line in refused.stderr.splitlines() if line.startswith("train_accelerate.py: ")]
        assert line == (
            "train_accelerate.py: --push_to_hub: org/forbidden cannot be created: the Hub answered 403 Forbidden."
        )
        assert not (tmp_path / "third").exists()  # found before the first step


def test_bad_rows_stop_the_run_before_the_first_step_or_are_left_out(tmp_path: Path) -> None:
    data, out = bad_folder(tmp_path / "streets"), tmp_path / "model"
    common = [*TINY, "--dataset_name", data, "--max_train_steps", 2, "--output_dir", out]
    line = fails(*common)
    assert "held-out row 1 (image-19.png), column image: not readable" in line
    assert "--skip_bad_rows leaves such rows out" in line
    assert not out.exists()
    done = train(*common, "--skip_bad_rows")
    assert "rows left out: 5" in done.stdout
    assert "row 1 (label-1.png), column label: id 77" in done.stdout
    assert len((out / "left_out_rows.txt").read_text().splitlines()) == 5
    assert CRN.from_pretrained(out).training_record["result"]["rows_left_out"] == 5


def test_a_bad_row_that_a_worker_finds_is_one_line(tmp_path: Path) -> None:
    """Without room in memory for all rows, not all are checked beforehand."""
    data = write_folder(tmp_path / "streets", rows=8)
    spoil(data, 5, "image", b"")
    out = tmp_path / "model"
    arguments = [*TINY, "--dataset_name", str(data), "--max_train_steps", "7", "--output_dir", str(out)]
    code = "import train_accelerate as t, crn_hub.training.rows as r; r.CACHE_SHARE = 0; r.LOOKED_AT = 1; "
    code += "t.run_command(t.app)"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--dataloader_num_workers", "1"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("train_accelerate.py: row 5 (image-5.png), column image: not readable")


def test_a_loss_that_is_not_a_number_ends_the_run_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    out = tmp_path / "model"
    line = fails(
        *TINY, *"--max_train_steps 9 --checkpointing_steps 1 --learning_rate 1e30 --max_train_samples 4".split(),
        "--output_dir", out, code=1,
    )  # fmt: skip
    assert re.search(r"step \d+, rows \d+: the (loss|gradient) is (nan|inf); .* checkpoint-\d+ is whole", line)
    checkpoints = list(out.glob("checkpoint-*"))
    assert checkpoints
    for checkpoint in checkpoints:
        assert all(tensor.isfinite().all() for tensor in load_file(checkpoint / "model.safetensors").values())
    assert not (out / "model.safetensors").exists()


def test_stages_grow_in_one_run(tmp_path: Path) -> None:
    out = tmp_path / "model"
    done = train(*TINY, *f"--stages 16:3 32:2 --max_train_samples 4 --calibration_step 1 --output_dir {out}".split())
    assert "3 of 4 modules start from the stage before" in done.stdout
    log = log_of(out)
    assert [entry["height"] for entry in log] == [16, 16, 16, 32, 32]
    assert [entry["step"] for entry in log] == [1, 2, 3, 4, 5]
    rates = [entry["learning_rate"] for entry in log]
    assert rates[0] == rates[3] == 3e-4  # each stage has its own schedule
    assert [entry.get("loss_weights", [None])[0] == 1 for entry in log] == [True, False, False, True, False]
    record = CRN.from_pretrained(out).training_record
    assert (record["settings"]["resolution"], record["result"]["steps"]) == (32, 2)
    assert record["started_from"]["settings"]["resolution"] == 16
    assert "| image height | 16 | 32 |" in (out / "README.md").read_text()
    coarse = load_file(out / "checkpoint-3" / "model.safetensors")
    assert "stages.2.conv1.weight" in coarse
    assert "stages.3.conv1.weight" not in coarse


def test_calibration_at_a_step_starts_at_one(tmp_path: Path) -> None:
    out = tmp_path / "model"
    train(*TINY, *f"--max_train_samples 4 --max_train_steps 6 --calibration_epoch 1 --output_dir {out}".split())
    log = log_of(out)
    for entry in log:
        entry["loss"] -= entry["texture"]  # which has no weights to calibrate
    assert [entry.get("loss_weights", [None])[0] == 1 for entry in log] == [True] + 5 * [False]
    assert "loss_weights" in log[4]  # one epoch has 4 steps
    assert log[3]["loss"] > 10 > 2 > log[4]["loss"]
    assert list(CRN.from_pretrained(out).training_record["loss_weights"].values()) == pytest.approx(
        log[4]["loss_weights"]
    )


def test_the_loss_may_look_at_parts_of_images_and_layers(tmp_path: Path) -> None:
    out = tmp_path / "model"
    parts = "--loss_window 16 --loss_layers conv2_2 conv4_2 --simplify_layouts 1 --num_images 2 --best_image per_layout"
    train(*TINY, *f"--max_train_samples 4 --max_train_steps 4 --output_dir {out} {parts}".split())
    log = log_of(out)
    assert log[0]["input"] == log[0]["conv5_2"] == 0
    assert all(0.25 < log[0][layer] < 1 for layer in ("conv2_2", "conv4_2"))
    record = json.loads((out / "training.json").read_text())
    assert record["loss_weights"]["input"] == 0
    assert record["settings"]["loss_layers"] == ["conv2_2", "conv4_2"]


def test_every_part_of_an_image_has_its_turn_in_the_loss() -> None:
    seen = [loss_window(16, (32, 64), seed=1, step=step) for step in range(99)]
    for axis, size in ((1, 32), (2, 64)):
        starts = {part[axis].start for part in seen}
        assert all(part[axis].stop - part[axis].start == size // 2 for part in seen)
        assert min(starts) == 0
        assert max(starts) == size // 2
    whole = (..., slice(0, 32), slice(0, 64))
    assert loss_window(64, (32, 64), 1, 5) == loss_window(None, (32, 64), 1, 5) == whole


def test_published_loss_weights_are_refused_for_other_features(tmp_path: Path) -> None:
    line = fails(*TINY, "--loss_weights", "cityscapes-256p", "--output_dir", tmp_path / "model")
    assert "the loss weights cityscapes-256p belong to a VGG-19" in line
    assert not (tmp_path / "model").exists()


def test_fine_tuning_onto_other_classes_and_only_the_last_modules(scenes_run: Path, tmp_path: Path) -> None:
    classes = [{"name": "road", "color": [1, 1, 1]}, {"name": "river", "color": [2, 2, 2]}]
    data, out = write_folder(tmp_path / "streets", rows=4), tmp_path / "model"
    (data / "classes.json").write_text(json.dumps(classes))
    for row in range(4):
        spoil(data, row, "label", png(Image.fromarray(np.tile(np.array([[0, 1]], np.uint8), (36, 24)))))
    arguments = f"--dataset_name {data} --init_from {scenes_run} --resolution 32 --max_train_steps 2".split()
    done = train(*arguments, *f"--train_modules last:2 --use_ema --output_dir {out}".split())
    assert "4 of 4 modules start from" in done.stdout
    assert "classes that are new to them: river" in done.stdout
    before, after = CRN.from_pretrained(scenes_run), CRN.from_pretrained(out)
    assert len(after.classes) == 2
    for index in range(4):
        kept = torch.equal(before.stages[index].conv2.weight, after.stages[index].conv2.weight)
        assert kept == (index < 2)


def test_training_starts_from_the_model_in_the_box(
    scenes_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crn_hub.box.MODEL_IN_THE_BOX", scenes_run)  # a small one
    common = "--resolution 32 --max_train_samples 4 --max_train_steps 1".split()
    done = train(*common, "--init_from", "box", "--output_dir", tmp_path / "model")
    assert "4 of 4 modules start from box" in done.stdout
    assert json.loads((tmp_path / "model" / "training.json").read_text())["settings"]["init_from"] == "box"
    monkeypatch.setattr("crn_hub.box.MODEL_IN_THE_BOX", tmp_path / "nothing")
    assert "box: the model that comes with crn_hub is missing" in fails(
        *common, "--init_from", "box", "--output_dir", tmp_path / "other"
    )


def test_classes_that_are_parts_start_as_their_wholes_and_are_named(tmp_path: Path) -> None:
    CRN(ClassSet.camvid(), (6, 5, 4, 3)).save_pretrained(tmp_path / "camvid")
    arguments = "--resolution 32 --widths 6 5 4 3 --max_train_samples 4 --max_train_steps 1".split()
    done = train(*arguments, "--init_from", tmp_path / "camvid", "--output_dir", tmp_path / "model")
    assert (
        f"4 of 4 modules start from {tmp_path}/camvid; classes that are parts of others start like these: window from "
        "building, door from building\n"
    ) in done.stdout


def test_half_precision_that_a_cpu_lacks_is_refused(tmp_path: Path) -> None:
    line = fails(*TINY, "--mixed_precision", "fp16", "--output_dir", tmp_path / "model")
    assert "--mixed_precision fp16 needs a GPU" in line


def test_trackers_get_numbers_and_grids(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = tmp_path / "model"
    common = [*TINY, *f"--max_train_samples 4 --validation_steps 2 --checkpointing_steps 2 --output_dir {out}".split()]
    environment = {"TRACKIO_DIR": str(tmp_path / "trackio")}
    common += ["--report_to", "tensorboard", "trackio"]
    train_apart(*common, "--max_train_steps", 3, environment=environment)
    (out / "model.safetensors").unlink()
    train_apart(*common, "--max_train_steps", 5, "--resume_from_checkpoint", "latest", environment=environment)
    events = EventAccumulator(str(out / "logs" / "crn_hub"), {"images": 0}).Reload()
    for name in ("loss", "conv5_2", "learning_rate", "gradient_norm", "images_per_second", "data_share", "memory_gb"):
        assert [event.step for event in events.Scalars(name)] == [1, 2, 3, 4, 5]
    assert events.Scalars("loss")[4].value == pytest.approx(log_of(out)[4]["loss"])
    assert [event.step for event in events.Scalars("validation_loss")] == [2, 4, 5]
    assert [event.step for event in events.Images("held-out")] == [2, 4, 5]
    assert list((tmp_path / "trackio").rglob("*.db"))
    assert list((tmp_path / "trackio").rglob("*.png"))


def test_a_dry_run_reports_what_the_run_will_cost_and_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "new" / "model"
    arguments = "--stages 16:300 32:400 --max_train_samples 6 --dry_run --use_ema".split()
    done = train(*TINY, *arguments, "--output_dir", out)
    coarse, fine, whole = done.stdout.splitlines()[-3:]
    assert coarse.startswith("16p: 300 steps of ")
    assert fine.startswith("32p: 400 steps of ")
    assert "2 validations of" in fine
    assert "peak memory" in fine
    assert re.search(r"built, trained, validated, saved, loaded; the whole run will take about [\d.]+ (min|h)", whole)
    assert "resumed from" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_of_one_step(tmp_path: Path) -> None:
    done = train(*TINY, *"--max_train_steps 1 --max_train_samples 4 --dry_run --output_dir".split(), tmp_path / "x")
    assert "32p: 1 steps of " in done.stdout
    assert "1 checkpoints of 0 s" not in done.stdout  # it was really written
    assert list(tmp_path.iterdir()) == []


def test_what_is_cheap_to_check_is_checked_before_all_rows(tmp_path: Path) -> None:
    data = bad_folder(tmp_path)
    common = [*TINY, "--dataset_name", str(data), "--output_dir", str(tmp_path / "model")]
    assert "neither a feature network" in fails(*common, "--perceptual_net", "nowhere.safetensors")
    assert "--skip_bad_rows leaves such rows out" in fails(*common)


@pytest.mark.parametrize(
    "switches",
    [
        "--gradient_checkpointing --loss_image_by_image --num_images 3 --channels_last --mixed_precision bf16",
        "--torch_compile --max_grad_norm 0.001 --allow_tf32",
    ],
)
def test_switches_for_memory_and_speed(tmp_path: Path, switches: str) -> None:
    out = tmp_path / "model"
    train_apart(*TINY, *f"--max_train_samples 4 --max_train_steps 3 --output_dir {out} {switches}".split())
    plain = tmp_path / "plain"
    options = "--num_images 3" if "--num_images 3" in switches else ""
    train(*TINY, *f"--max_train_samples 4 --max_train_steps 3 --output_dir {plain} {options}".split())
    assert log_of(out)[0]["loss"] == pytest.approx(log_of(plain)[0]["loss"], rel=0.02)
    CRN.from_pretrained(out)


def test_nothing_is_compiled_for_grids_and_the_validation_loss() -> None:
    model = styled_model()

    def backend(*_: object) -> NoReturn:
        raise RuntimeError("compiled")

    ids = torch.zeros(model.size, dtype=torch.long)
    given = {"ids": ids, "photograph": torch.zeros(3, *model.size), "colors": torch.zeros(3, *model.size)}
    model.compile(backend=backend)
    sample_grid(model, [given])
    style_grid(model, [given])
    with pytest.raises(Exception, match="compiled"):
        model(ids[None])
    torch.compiler.reset()


def test_presets_fill_in_what_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(train_accelerate, "prepare", lambda args: seen.append(args) or sys.exit())
    monkeypatch.setattr(sys, "argv", "x --preset paper-1024p --init_from box --learning_rate 3e-4".split())
    with pytest.raises(SystemExit):
        run(train_accelerate.app)
    args = seen[0]
    assert args.widths == (1024, 1024, 1024, 1024, 1024, 512, 512, 128, 32)
    assert (args.resolution, args.num_images, args.train_modules) == ((1024,), 1, "last:2")
    assert (args.num_train_epochs, args.perceptual_net, args.lr_scheduler) == (5, "vgg19", "constant")
    assert args.learning_rate == 3e-4  # the command line takes precedence
    assert args.system == "crn"  # the paper's, to the letter
    monkeypatch.setattr(sys, "argv", "x --preset paper-256p --calibration_step 7".split())
    with pytest.raises(SystemExit):
        run(train_accelerate.app)
    assert (seen[1].calibration_step, seen[1].calibration_epoch) == (7, None)


def test_the_loss_falls(tmp_path: Path) -> None:
    out = tmp_path / "model"
    rate = "--learning_rate 0.02 --lr_scheduler constant"
    train(*TINY, *f"--max_train_steps 30 {rate} --max_train_samples 2 --output_dir {out}".split())
    losses = [entry["loss"] - entry["texture"] for entry in log_of(out)]  # the weight of textures grows meanwhile
    assert np.mean(losses[-3:]) < 0.7 * np.mean(losses[:3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resolution", "48"], "--resolution 48: use one of 32, 64"),
        (["--resolution", "32", "--widths", "4", "4"], "2 widths make images 8 pixels high"),
        (["--learning_rate", "0"], 'Invalid value "0.0" for --learning_rate. Must be > 0'),
        (["--train_batch_size", "zero"], '--train_batch_size: unable to convert "zero" into int'),
        (["--lr_scheduler", "bump"], 'Invalid value "bump" for --lr_scheduler. Choose from: "constant"'),
        (["--max_train_step", "3"], "Unknown option: --max_train_step."),
        (["--dataset_name", "./nowhere"], "./nowhere: no such folder, and no such data set"),
        (["--init_from", "./nowhere"], "./nowhere: no such folder, and not a Hub id"),
        (["--perceptual_net", "vgg7"], "vgg7: neither a feature network"),
        (["--classes", "kitti"], "kitti: no such file, and no preset"),
        (["--classes", "cityscapes"], "the street scenes have the preset streets; leave it out."),
        (["--label_folder", "labels"], "--label_folder: only for a data set, and none is given"),
        (["--ignore_label", "254"], "--ignore_label: only for a data set, and none is given"),
        (["--dataset_name", ""], "the name of the data set is empty"),
        (["--init_from", ""], "the name is empty"),
        (["--resume_from_checkpoint", "elsewhere"], "elsewhere is not a checkpoint"),
        (["--stages", "32", "x"], "--stages x: use HEIGHT or HEIGHT:STEPS"),
        (["--train_modules", "first"], "--train_modules first: use all, or last:N with N from 1 to 5"),
        (["--train_modules", "last:2"], "--train_modules last:2: the others come from a model: give --init_from"),
        (["--resolution", "16", "--widths", "4", "4", "4"], "street scenes are at least 32 pixels high"),
        (["--max_train_steps", "3", "--calibration_step", "3"], "measured after step 3, but a stage has only 3 steps"),
        (["--train_modules", "last:6"], "--train_modules last:6: use all, or last:N with N from 1 to 5"),
        (["--preset", "paper-512p"], "--preset paper-512p grows a model of half the height"),
        (["--preset", "paper"], 'Invalid value "paper" for --preset. Choose from: "paper-256p"'),
        (["--report_to", "paper"], 'Invalid value "paper" for --report_to. Choose from: "tensorboard"'),
        (["--color_jitter", "1"], 'Invalid value "1.0" for --color_jitter. Must be < 1'),
        (["--simplify_layouts", "2"], 'Invalid value "2.0" for --simplify_layouts. Must be <= 1'),
        (["--loss_window", "8"], "--loss_window 8: images are 64 x 128 pixels (height x width) and no side"),
        (["--loss_window", "65"], "use a height from 16 to 64"),
        (["--loss_layers", "--use_ema"], "--loss_layers names no layer; use some of input, conv1_2"),
        (["--loss_layers", "conv6_2"], 'Invalid value "conv6_2" for --loss_layers. Choose from: "input"'),
        (["--best_image", "first"], 'Invalid value "first" for --best_image. Choose from: "per_class"'),
        (["--calibration_step", "2", "--calibration_epoch", "2"], "set the same thing; give only one of them"),
        (
            ["--push_to_hub", "--hub_model_id", "bad name!"],
            "--hub_model_id: 'bad name!' is not the id of a Hub repo; use",
        ),
        (
            ["--push_to_hub", "--output_dir", "bad name!"],
            "--hub_model_id: 'bad name!' is not the id of a Hub repo; use",
        ),
    ],
)
def test_bad_arguments_end_with_one_line_and_nothing_written(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run_here(*arguments)
    assert done.code == 2
    (line,) = done.stderr.strip().splitlines()
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_checkpoints_is_not_written_over(scenes_run: Path) -> None:
    line = fails(*TINY, "--output_dir", scenes_run)
    assert "holds checkpoint-4 of an earlier run" in line


def test_a_card_that_was_there_before_stays(scenes_run: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Ours")
    train(*TINY, "--max_train_steps", 1, "--max_train_samples", 4, "--output_dir", tmp_path)
    assert (tmp_path / "README.md").read_text() == "# Ours"
    assert "holds a trained model" in fails(*TINY, "--output_dir", tmp_path)


def test_help_names_every_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_accelerate.app, "console", Console(width=200))
    text = train("--help").stdout
    for name in Arguments.__dataclass_fields__:
        assert f"--{name}" in text
