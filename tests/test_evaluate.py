"""crn evaluate as people run it: tables, sheets, cards, resuming, and refusals."""

import csv
import json
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image, ImageColor
from safetensors.torch import load_file, save_file
from support.data_folders import bad_folder
from support.evaluations import CAMVID, FILES, evaluate, results, run, stamps
from support.forked_runs import Death
from support.interrupted import crn_apart

from crn_hub import CRN
from crn_hub.box import MODEL_IN_THE_BOX
from crn_hub.metrics.summary import RATIOS
from crn_hub.picture_grids import draw_grid, tiled
from crn_hub.vgg import VGG16_IN_THE_BOX


@pytest.fixture(scope="module")
def evaluated(pairs: Path, models: Path, random_segmenter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("evaluated") / "out"
    names = [models / "small", models / "large", models / "few"]
    with pytest.MonkeyPatch.context() as patch:
        assert run(patch, pairs, output, *names, "--segmenter", random_segmenter, drawn=True) == 0
    return output


@pytest.fixture(scope="module")
def three_rows(pairs: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation of the small model on three rows; tests continue it in a copy."""
    output = tmp_path_factory.mktemp("three-rows") / "out"
    with pytest.MonkeyPatch.context() as patch:
        assert run(patch, pairs, output, models / "small", "--max-rows", 3) == 0
    return output


# -- what it writes ----------------------------------------------------------------------------------


def test_what_an_evaluation_leaves(evaluated: Path) -> None:
    assert sorted(p.name for p in evaluated.iterdir()) == FILES
    found = results(evaluated)
    assert [model["name"] for model in found["models"]] == ["small", "large", "few"]
    assert found["facts"]["rows"] == 9
    assert found["facts"]["split"] == "validation"
    assert found["facts"]["size"] == [64, 128]
    small, large, _ = found["models"]
    assert set(small["measures"]) == {
        *("frechet_segmenter", "kernel_segmenter", "frechet_perceptual", "kernel_perceptual"),
        *("miou", "pixel_accuracy", "perceptual", "ssim", "psnr", "diversity", "texture", *RATIOS),
    }
    assert "diversity" not in large["measures"]  # k = 1
    for name, (value, low, high) in small["measures"].items():
        assert low <= value <= high, name
    assert set(found["photographs"]["measures"]) == {"miou", "pixel_accuracy"}
    assert set(found["other photographs"]["measures"]) == set(large["measures"])
    assert set(small["classes"]) == {"iou", "perceptual", "texture", *RATIOS}
    for values in small["classes"].values():
        assert set(values) == {*CAMVID.names, "unlabelled"}
    assert small["gflop"] < large["gflop"]


def test_the_tables_agree(evaluated: Path) -> None:
    found = results(evaluated)
    expected = {(m["name"], key): v for m in found["models"] for key, v in m["measures"].items()}
    for name in ("photographs", "other photographs"):
        expected |= {(name, key): v for key, v in found[name]["measures"].items()}
    with (evaluated / "table.csv").open() as file:
        lines = {
            (line["model"], line["measure"]): [float(line[k]) for k in ("value", "low", "high")]
            for line in csv.DictReader(file)
            if line["low"]
        }
    assert lines == expected
    with (evaluated / "table.csv").open() as file:
        by_name = {(line["model"], line["measure"]): line for line in csv.DictReader(file)}
    assert by_name["small", "num_images"]["value"] == "2"
    iou = by_name["small", "iou/sky"]
    assert iou["value"] == repr(found["models"][0]["classes"]["iou"]["sky"])
    assert (iou["dataset"], iou["split"], iou["images"], iou["size"]) == ("streets", "validation", "9", "128 x 64")
    assert (iou["ignored"], iou["network"]) == ("unlabelled pixels", "untrained")
    assert by_name["small", "perceptual"]["network"] == "VGG-16"
    table = (evaluated / "table.md").read_text()
    assert table.splitlines()[0] == "|  | small | large | few | other photographs | photographs |"
    value, low, high = (f"{v:#.3g}" for v in expected["small", "miou"])
    assert f"| mIoU ↑ | {value} ({low}, {high}) |" in table
    for note in found["notes"]:
        assert note.split("(")[0].replace("*", "\\*")[:40] in table


def test_notes_say_what_makes_numbers_incomparable(evaluated: Path) -> None:
    notes = " ".join(results(evaluated)["notes"])
    for said in (
        *("9 rows of streets (validation)", "9 rows are few", "128 x 64", "bicubic", "nearest neighbour", "Lanczos"),
        *("Unlabelled pixels do not count", "untrained (3.2 M parameters)", "VGG-16", "200 resamples"),
        "few has no class for building, pole, pavement",
    ):
        assert said in notes, said


def test_measures_without_their_networks_are_missing_and_named(evaluated: Path) -> None:
    """Nothing of VGG's is ever called FID."""
    found = results(evaluated)
    assert not {"fid", "kid", "lpips"} & set(found["models"][0]["measures"])
    assert "FID and KID were not measured" in " ".join(found["notes"])
    assert "| FID" not in (evaluated / "table.md").read_text()


def test_the_numbers_are_those_of_the_pictures(evaluated: Path, models: Path, pairs: Path) -> None:
    """PSNR, computed from what the model itself makes of a row's layout."""
    from crn_hub.data import PairDataset, load_rows

    model = CRN.from_pretrained(models / "small")
    rows = load_rows(str(pairs))[1]
    expected = []
    for i in range(9):
        ids = PairDataset(rows, CAMVID, (32, 64))[i]["ids"].numpy()
        image = np.asarray(model.synthesize(ids, size=(64, 128))[i % 2], float)
        photograph = ((PairDataset(rows, CAMVID, (64, 128))[i]["photograph"] + 1) * 127.5).round()
        error = ((image - photograph.permute(1, 2, 0).numpy()) ** 2).mean()
        expected.append(10 * np.log10(255**2 / error))
    measured = results(evaluated)["models"][0]["measures"]["psnr"][0]
    assert measured == pytest.approx(np.mean(expected), rel=1e-4)


def test_pictures(evaluated: Path) -> None:
    with Image.open(evaluated / "contact-sheet.png") as sheet:
        assert sheet.size == (90 + 5 * (256 + 4), 22 + 8 * (128 + 4))
        assert len(sheet.convert("RGB").getcolors(2**24)) > 1000
    for name in ("classes.png", "appearance.png", "arithmetic.png"):
        with Image.open(evaluated / name) as picture:
            assert min(picture.size) > 300
            assert len(picture.convert("RGB").getcolors()) > 100


@pytest.mark.parametrize("shown", ["some", "none"])
def test_for_publication_photographs_of_other_sources_than_camvid_are_left_out(
    pairs: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: str
) -> None:
    data = shutil.copytree(pairs, tmp_path / "streets")
    for file in data.glob("data/*.parquet"):
        table = pq.read_table(file)
        sources = ["camvid" if shown == "some" and row < 4 else "labelmefacade" for row in range(len(table))]
        pq.write_table(table.append_column("source", pa.array(sources)), file)
    sheets = {}
    for name, options in {"own": [], "public": ["--for-publication"]}.items():
        assert run(monkeypatch, data, tmp_path / name, models / "small", "--max-rows", 4, *options) == 0
        with Image.open(tmp_path / name / "contact-sheet.png") as sheet:
            sheets[name] = np.asarray(sheet.convert("RGB"))
        page = (tmp_path / name / "contact-sheet.html").read_text()
        assert page.count("photograph of row") == (4 if name == "own" else 2 if shown == "some" else 0)
    own, public = sheets["own"], sheets["public"]
    photographs = 90 + 2 * 260
    assert own.shape == (22 + 4 * 132, photographs + 260, 3)
    assert np.array_equal(own[:, :photographs], public[:, :photographs])
    if shown == "none":
        assert public.shape[1] == photographs
        return
    tiles = [slice(22 + 132 * line, 150 + 132 * line) for line in range(4)]
    grey = [(public[tile, photographs : photographs + 256] == 225).mean() > 0.9 for tile in tiles]
    same = [np.array_equal(own[tile, photographs:], public[tile, photographs:]) for tile in tiles]
    assert sorted(grey) == [False, False, True, True]
    assert same == [not hidden for hidden in grey]


def test_tiles_lie_in_lines_with_white_gaps() -> None:
    three = ("red", "lime", "blue")
    sheet = np.asarray(tiled([[Image.new("RGB", (8, 4), color) for color in line] for line in (three, three[::-1])]))
    assert sheet.shape == (2 * 6 + 2, 3 * 10 + 2, 3)
    colors = [tuple(sheet[y, x].tolist()) for y in (2, 8) for x in (2, 12, 22)]
    assert colors == [ImageColor.getrgb(color) for color in (*three, *three[::-1])]
    assert (sheet[[0, 1, 6, 7, 12, 13]] == 255).all()
    assert (sheet[:, [0, 1, 10, 11, 20, 21, 30, 31]] == 255).all()


def test_a_grid_makes_room_for_its_labels_and_leaves_out_empty_columns() -> None:
    red, blue = (Image.new("RGB", (20, 10), color) for color in ("red", "blue"))
    grid = draw_grid(["a", "b", "c"], [("line", [red, None, blue]), ("x" * 40, [red, None, None])], (40, 150))
    left = grid.width - 2 * 154
    assert left > 200
    assert grid.height == 22 + 2 * 44
    assert grid.getpixel((left, 22)) == (255, 0, 0)
    assert grid.getpixel((left + 154, 22)) == (0, 0, 255)
    assert grid.getpixel((left + 154, 66)) == (225, 225, 225)


def test_the_page_holds_its_pictures_and_shows_names_as_they_are(
    pairs: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = shutil.copytree(models / "small", tmp_path / "<b>$x_1$|*bold*")
    assert run(monkeypatch, pairs, tmp_path / "out", odd, "--max-rows", 3, drawn=True) == 0

    class Page(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.tags: list[str] = []
            self.text = ""

        def handle_starttag(self, tag: str, attrs: list) -> None:
            self.tags.append(tag)
            if tag == "img":
                assert dict(attrs)["src"].startswith("data:image/jpeg;base64,")
                assert dict(attrs)["alt"]

        def handle_data(self, data: str) -> None:
            self.text += data

    page = Page()
    page.feed((tmp_path / "out" / "contact-sheet.html").read_text())
    assert page.tags.count("img") == 3 * 3
    assert "b" not in page.tags
    assert "<b>$x_1$|*bold*" in page.text
    assert r"\<b\>\$x\_1\$\|\*bold\*" in (tmp_path / "out" / "table.md").read_text()


# -- resuming ----------------------------------------------------------------------------------------


def test_what_is_measured_is_not_measured_again(
    pairs: Path, models: Path, three_rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = shutil.copytree(three_rows, tmp_path / "out")
    before, numbers = stamps(output), results(output)
    assert len(before) == 3 * 3  # of the photographs, other photographs and the model
    assert run(monkeypatch, pairs, output, models / "small", "--max-rows", 3) == 0
    assert stamps(output) == before
    assert results(output) == numbers
    both = [models / "small", models / "few", "--max-rows", 3]
    assert run(monkeypatch, pairs, output, *both, "--size", 32, 64) == 0
    after = stamps(output)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 3
    assert results(output)["models"][0] == numbers["models"][0]


def test_a_killed_evaluation_is_resumed(
    pairs: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run(monkeypatch, pairs, whole, models / "small", "--max-rows", 4) == 0
    arguments = ["evaluate", models / "small", "--dataset", pairs, "--output", killed, "--max-rows", 4]
    done = crn_apart(*arguments, death=Death("numpy.lib.format:write_array", 37, "after"))
    assert done.code == -signal.SIGKILL, done.stderr[-2000:]
    before = stamps(killed)
    assert len(before) == 5
    assert [*killed.rglob(".*.part")]  # the sixth, of which some arrays are written
    assert run(monkeypatch, pairs, killed, models / "small", "--max-rows", 4) == 0
    after = stamps(killed)
    assert {name: after[name] for name in before} == before
    assert after.keys() == stamps(whole).keys()
    one, other = results(whole), results(killed)
    assert one["facts"] == other["facts"]
    for key, value in one["models"][0]["measures"].items():
        assert other["models"][0]["measures"][key] == value, key


def test_measurements_of_another_evaluation_are_not_mixed_in(
    pairs: Path, models: Path, three_rows: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output, before = three_rows, stamps(three_rows)
    capsys.readouterr()
    assert run(monkeypatch, pairs, output, models / "small", "--max-rows", 4) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "holds measurements of another evaluation: rows was 3, now 4" in said
    assert stamps(output) == before


def test_damaged_records_are_measured_again(
    pairs: Path,
    models: Path,
    three_rows: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = shutil.copytree(three_rows, tmp_path / "out")
    numbers = results(output)
    damaged = next((output / "measured").glob("*/000001.npz"))
    damaged.write_bytes(damaged.read_bytes()[:300])
    next((output / "measured").glob("*/000002.npz")).write_bytes(b"")
    assert run(monkeypatch, pairs, output, models / "small", "--max-rows", 3) == 0
    assert results(output) == numbers
    for damage in ("[]", "{", None):  # then it is unknown what the records are of
        facts = output / "measured" / "facts.json"
        facts.unlink(missing_ok=True)
        if damage:
            facts.write_text(damage)
        assert run(monkeypatch, pairs, output, models / "small", "--max-rows", 3) == 2
        assert (
            "facts.json, which says what they depend on, is missing or damaged"
            in capsys.readouterr().err.splitlines()[-1]
        )


def test_everything_that_numbers_depend_on_counts(
    pairs: Path,
    models: Path,
    random_segmenter: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Other columns, a segmenter that sees pictures at another size, features fed in another way."""
    rows = datasets.load_dataset(str(pairs))
    rows = rows.map(lambda row: {"label2": row["label"]})
    rows.save_to_disk(tmp_path / "data")
    shutil.copy(pairs / "classes.json", tmp_path / "data")
    finder = shutil.copytree(random_segmenter, tmp_path / "finder")
    vgg = tmp_path / "vgg.safetensors"
    tensors = load_file(VGG16_IN_THE_BOX)
    save_file(tensors, vgg, {"preprocessing": "torchvision"})
    usual = ["--segmenter", finder, "--perceptual-net", vgg, "--max-rows", 2]

    def again(*more: object) -> tuple[int, str]:
        code = run(monkeypatch, tmp_path / "data", tmp_path / "out", models / "small", *usual, *more)
        return code, capsys.readouterr().err.splitlines()[-1]

    assert again()[0] == 0
    code, said = again("--label-column", "label2")
    assert code == 2
    assert "columns was ['image', 'label'], now ['image', 'label2']" in said
    config = json.loads((finder / "config.json").read_text())
    (finder / "config.json").write_text(json.dumps({**config, "size": [64, 128]}))
    code, said = again()
    assert code == 2
    assert "segmenter was" in said
    (finder / "config.json").write_text(json.dumps(config))
    save_file(tensors, vgg, {"preprocessing": "caffe"})
    code, said = again()
    assert code == 2
    assert "feature_network was" in said


def test_the_same_weights_at_another_size_are_another_model(pairs: Path, tmp_path: Path) -> None:
    small, large = CRN(CAMVID, (4, 4, 4, 4)), CRN(CAMVID, (4, 4, 4, 4), base_size=(8, 16))
    large.load_state_dict(small.state_dict())
    for model, name in ((small, "small"), (large, "large")):
        model.save_pretrained(tmp_path / name)
    names = [str(tmp_path / name) for name in ("small", "large")]
    together = evaluate(names, str(pairs), tmp_path / "out", max_rows=2)
    alone = evaluate(names[:1], str(pairs), tmp_path / "alone", max_rows=2, size=(64, 128))
    assert together.models[0][1].measures == alone.models[0][1].measures
    assert together.models[0][1].measures != together.models[1][1].measures


def test_two_at_once(pairs: Path, models: Path, tmp_path: Path) -> None:
    arguments = ["evaluate", models / "small", "--dataset", pairs, "--output", tmp_path / "out", "--max-rows", "4"]
    with ThreadPoolExecutor(2) as both:
        for done in both.map(lambda _: crn_apart(*arguments), range(2)):
            assert done.code == 0, done.stderr[-2000:]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == FILES


def test_a_changed_model_is_measured_anew(
    pairs: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changing = shutil.copytree(models / "small", tmp_path / "changing")
    assert run(monkeypatch, pairs, tmp_path / "out", changing, "--max-rows", 3) == 0
    before = results(tmp_path / "out")["models"][0]
    torch.manual_seed(9)
    CRN(CAMVID, (4, 4, 4, 4), num_images=2).save_pretrained(changing)
    assert run(monkeypatch, pairs, tmp_path / "out", changing, "--max-rows", 3) == 0
    after = results(tmp_path / "out")["models"][0]
    assert after["fingerprint"] != before["fingerprint"]
    assert after["measures"]["psnr"] != before["measures"]["psnr"]


# -- rows and cards ----------------------------------------------------------------------------------


def test_other_rows(pairs: Path, models: Path, tmp_path: Path) -> None:
    found = evaluate([str(models / "small")], str(pairs), tmp_path / "out", split="train", max_rows=5)
    assert found.facts["split"] == "train"
    assert found.data.used == [0, 2, 4, 7, 9]
    assert found.photographs is None  # no segmenter
    assert found.others is not None
    every = evaluate([str(models / "small")], str(pairs), tmp_path / "every", split="train")
    assert every.others is None  # 9 others would stand for 12


def test_fid_and_lpips_where_their_weights_are(
    pairs: Path, models: Path, torch_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(torch_home))
    model = shutil.copytree(models / "small", tmp_path / "model")
    assert run(monkeypatch, pairs, tmp_path / "out", model, "--max-rows", 3, "--update-cards") == 0
    found = results(tmp_path / "out")
    assert {"fid", "kid", "lpips", "lpips_diversity"} <= set(found["models"][0]["measures"])
    assert not any("were not measured: Inception" in note for note in found["notes"])
    card = ModelCard.load(model / "README.md")
    fid = next(result for result in card.data.eval_results or () if result.metric_type == "fid")
    assert fid.metric_args["network"] == "Inception-v3"


def test_bad_rows_stop_it_or_are_left_out(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = bad_folder(tmp_path / "bad")
    assert run(monkeypatch, folder, tmp_path / "out", models / "small", "--split", "train") == 2
    assert "row " in (said := capsys.readouterr().err.splitlines()[-1])
    assert "--skip-bad-rows leaves such rows out" in said
    assert run(monkeypatch, folder, tmp_path / "out", models / "small", "--split", "train", "--skip-bad-rows") == 0
    facts = results(tmp_path / "out")["facts"]
    assert facts["rows_left_out"] == 5
    assert f"{facts['rows_left_out']} bad ones left out" in (tmp_path / "out" / "table.md").read_text()


def test_labels_are_read_as_asked_and_remembered(
    pairs: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [models / "small", "--max-rows", 2]
    assert run(monkeypatch, pairs, tmp_path / "out", *common) == 0
    assert "warning: ids 0 and 11 both occur" in capsys.readouterr().err
    assert run(monkeypatch, pairs, tmp_path / "said", *common, "--ignore-label", 11) == 0
    assert "warning" not in capsys.readouterr().err
    assert results(tmp_path / "said")["facts"]["labels"] == {"ignore_label": [11]}
    assert run(monkeypatch, pairs, tmp_path / "out", *common, "--reduce-labels") == 2  # of other labels
    assert "measurements of another evaluation" in capsys.readouterr().err


def test_cards_get_the_results(
    pairs: Path, models: Path, random_segmenter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, edited = (shutil.copytree(models / "few", tmp_path / name) for name in ("plain", "edited"))
    (edited / "README.md").write_text("---\nlicense: mit\n---\nmy own words\n")
    weights = (plain / "model.safetensors").read_bytes()
    options = ["--segmenter", random_segmenter, "--max-rows", 4, "--update-cards"]
    assert run(monkeypatch, pairs, tmp_path / "out", plain, edited, *options) == 0
    assert (plain / "model.safetensors").read_bytes() == weights
    card = ModelCard.load(plain / "README.md")
    by_type = {result.metric_type: result for result in card.data.eval_results or ()}
    miou = by_type["mean_iou"]
    assert miou.metric_value == pytest.approx(results(tmp_path / "out")["models"][0]["measures"]["miou"][0], rel=1e-3)
    assert miou.dataset_split == "validation"
    assert miou.metric_args == {
        "images": 4,
        "size": "64 x 32",
        "resize": "photographs bicubic with antialiasing, label maps nearest neighbour, outputs Lanczos",
        "ignored": "unlabelled pixels",
        "network": "untrained",
    }
    assert "| mIoU ↑ |" in card.text
    assert "has no class for" in card.text
    assert (edited / "README.md").read_text().endswith("my own words\n")
    record = CRN.from_pretrained(edited).training_record  # the card is somebody's, the record is ours
    assert record["evaluations"][0]["measures"]


def test_the_box_is_not_a_local_folder(camvid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the package's own files change nor a folder that happens to be called so."""
    CRN(CAMVID, (4, 4, 4, 4)).save_pretrained(tmp_path / "box")
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in (MODEL_IN_THE_BOX / "training.json", tmp_path / "box" / "README.md")}
    options = ["--max-rows", 2, "--size", 64, 128, "--update-cards"]
    assert run(monkeypatch, camvid, tmp_path / "out", "box", *options) == 0
    assert {path: path.read_bytes() for path in before} == before
    assert [model["name"] for model in results(tmp_path / "out")["models"]] == ["box", "box, own colours"]


def test_a_model_that_is_named_twice_is_measured_once(camvid: Path, tmp_path: Path) -> None:
    names = ["box", str(MODEL_IN_THE_BOX), f"{MODEL_IN_THE_BOX}/"]
    found = evaluate(names, str(camvid), tmp_path / "out", max_rows=2, size=(64, 128))
    assert [(model.name, model.folder) for model, _ in found.models] == [("box", None), ("box, own colours", None)]


def test_models_of_the_same_name_are_distinguished(pairs: Path, models: Path, tmp_path: Path) -> None:
    twins = [str(shutil.copytree(models / "small", tmp_path / name / "twin")) for name in ("a", "b")]
    found = evaluate([*twins, f"{twins[0]}/"], str(pairs), tmp_path / "out", max_rows=2)
    assert [model.name for model, _ in found.models] == ["a/twin", "b/twin"]
    odd = str(shutil.copytree(models / "small", tmp_path / "photographs"))
    with pytest.raises(ValueError, match="photographs: a column of the table has this name"):
        evaluate([odd], str(pairs), tmp_path / "other", max_rows=2)


# -- refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere/at/all"], "nowhere/at/all: no such folder, and not"),
        (["small", "--split", "test"], "no split 'test'; there are train, validation"),
        (["small", "--size", 40, 64], "small makes images of 32 x 64 pixels (height x width), which differs in shape"),
        (["small", "--size", 8, 16], "each side must be at least 32 pixels"),
        (["small", "--max-rows", 1], 'Invalid value "1" for --max-rows. Must be >= 2'),
        (["small", "--segmenter", "small"], "small: makes photographs"),
        (["small", "--perceptual-net", "vgg11"], "vgg11: neither a feature network"),
        (["small", "--image-column", "photo"], "no column 'photo'; there are image, label"),
        (["small", "--classes", "cups.json"], "cups: it knows none"),
        ([], "MODEL requires an argument"),
    ],
)
def test_refusals(
    pairs: Path,
    models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list,
    said: str,
) -> None:
    monkeypatch.chdir(models)
    (tmp_path / "cups.json").write_text(json.dumps([{"name": f"cup {i}", "color": [i, 0, 0]} for i in range(12)]))
    if "cups.json" in arguments:
        arguments = ["small", "--classes", tmp_path / "cups.json"]
        said = "small: it knows none of the classes of the data (cup 0, cup 1, cup 2 and 9 more)"
    assert run(monkeypatch, pairs, tmp_path / "out", *arguments) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_place_of_the_output(
    pairs: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("precious")
    assert run(monkeypatch, pairs, tmp_path / "out", models / "small") == 2
    assert "a file, not a folder" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "precious"
    assert run(monkeypatch, pairs, tmp_path / "out" / "below", models / "small") == 2
    assert "out is a file, not a folder" in capsys.readouterr().err


def test_without_the_extra_packages(
    pairs: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in [name for name in sys.modules if name.startswith("crn_hub.metrics")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image", None)
    assert run(monkeypatch, pairs, tmp_path / "out", models / "small") == 2
    assert "pip install 'crn_hub[eval]' installs it" in capsys.readouterr().err


def test_camvid(
    camvid: Path, models: Path, random_segmenter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real photographs: the model in the box beats an untrained network of its shape in all that counts."""
    torch.manual_seed(0)
    box = CRN.from_pretrained()
    CRN(box.classes, box.widths, box.base_size, box.num_images).save_pretrained(tmp_path / "untrained")
    options = ["--segmenter", random_segmenter, "--max-rows", 8, "--size", 64, 128]
    assert run(monkeypatch, camvid, tmp_path / "out", "box", tmp_path / "untrained", *options, drawn=True) == 0
    found = results(tmp_path / "out")
    trained, _, untrained = (model["measures"] for model in found["models"])  # the second one in own colours
    for measure in ("frechet_perceptual", "kernel_perceptual", "perceptual"):
        assert trained[measure][0] < untrained[measure][0], measure
    for measure in ("ssim", "psnr"):
        assert trained[measure][0] > untrained[measure][0], measure
    assert found["facts"]["dataset"] == camvid.name
