"""crn evaluate --apart: rows measured apart by the values of a column, and what cards say of each part."""

import json
import shutil
from pathlib import Path
from typing import Any

import datasets
import pytest
from huggingface_hub import ModelCard
from PIL import Image
from support.evaluations import FILES, results, run, stamps

from crn_hub.data_options import DataOptions
from crn_hub.metrics.evaluation import evaluate as evaluate_parts
from crn_hub.metrics.rows import _folder


@pytest.fixture(scope="module")
def sources(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pairs from three sources, and columns that rows cannot be evaluated apart by."""
    rows = datasets.load_dataset(str(pairs))
    for name, split in rows.items():
        columns = {
            "source": ["phone", "Camera/1", "phone"],
            "alike": ["a b", "a/b", "a b"],
            "gaps": ["a", " ", None],
            "number": [1, 2, 1],
        }
        for column, values in columns.items():
            split = split.add_column(column, [values[i % 3] for i in range(len(split))])
        split = split.add_column("rare", ["only"] + ["often"] * (len(split) - 1))
        rows[name] = split.add_column("name", [f"picture {i}" for i in range(len(split))])
    rows["many"] = rows["train"].select([*range(12), *range(12)])
    rows["many"] = rows["many"].remove_columns("name").add_column("name", [f"picture {i}" for i in range(24)])
    folder = tmp_path_factory.mktemp("sources") / "streets"
    rows.save_to_disk(folder)
    shutil.copy(pairs / "classes.json", folder)
    return folder


def test_each_part_is_evaluated_as_if_it_were_alone(
    sources: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own calibration, its own other photographs, its own files; and it says which part it is."""
    output = tmp_path / "out"
    assert run(monkeypatch, sources, output, models / "small", "--apart", "source") == 0
    printed = capsys.readouterr().out
    assert sorted(p.name for p in output.iterdir()) == ["Camera-1", "phone"]
    headings = ["streets, source Camera/1", "streets, source phone"]
    assert [line for line in printed.splitlines() if line.startswith("streets")] == headings
    before = stamps(output)
    for value, folder, rows, heading in zip(
        ["Camera/1", "phone"], ["Camera-1", "phone"], [3, 6], headings, strict=True
    ):
        assert sorted(p.name for p in (output / folder).iterdir()) == FILES
        assert str(output / folder / "table.md") in printed
        alone = datasets.load_from_disk(sources).filter(lambda row, value=value: row["source"] == value)
        alone.save_to_disk(tmp_path / folder)
        shutil.copy(sources / "classes.json", tmp_path / folder)
        assert run(monkeypatch, tmp_path / folder, tmp_path / "alone" / folder, models / "small") == 0
        found, expected = results(output / folder), results(tmp_path / "alone" / folder)
        assert found["facts"]["rows"] == expected["facts"]["rows"] == rows
        assert found["models"] == expected["models"]
        assert found["other photographs"] == expected["other photographs"] is not None
        assert (found["facts"]["dataset"], found["facts"]["part"]) == (heading, heading.removeprefix("streets, "))
        assert f"Data: {rows} rows of {heading} (validation)" in found["notes"][0]
        table = (output / folder / "table.md").read_text()
        assert table.splitlines()[0] == f"# {heading}"
        assert f"<h1>Evaluation on {heading}</h1>" in (output / folder / "contact-sheet.html").read_text()
    assert run(monkeypatch, sources, output, models / "small", "--apart", "source") == 0
    assert stamps(output) == before  # resumed
    assert run(monkeypatch, sources, output / "phone", models / "small", "--max-rows", 6) == 2
    assert "another evaluation" in capsys.readouterr().err


def test_rows_of_parts_keep_their_numbers(sources: Path, models: Path, tmp_path: Path) -> None:
    names = [str(models / "small")]
    camera, phone = evaluate_parts(names, str(sources), tmp_path / "out", max_rows=3, apart="source")
    assert (camera.data.used, phone.data.used) == ([1, 4, 7], [0, 3, 6])
    assert camera.folder == tmp_path / "out" / "Camera-1"
    assert camera.others is not None
    rows = datasets.load_from_disk(sources)
    rows["train"] = rows["train"].remove_columns("source")
    rows.save_to_disk(tmp_path / "data")
    options: dict[str, Any] = {
        "max_rows": 2,
        "apart": "source",
        "options": DataOptions(classes=str(sources / "classes.json")),
    }
    camera, phone = evaluate_parts(names, str(tmp_path / "data"), tmp_path / "without", **options)
    assert camera.others is None  # nobody knows of which source the other rows are
    assert phone.others is None


def test_bad_rows_are_left_out_of_their_part(
    sources: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = datasets.load_from_disk(sources)
    small = Image.new("RGB", (20, 10))
    rows["validation"] = rows["validation"].map(
        lambda row, i: {"image": small if i in (1, 3) else row["image"]}, with_indices=True
    )
    rows.save_to_disk(tmp_path / "data")
    shutil.copy(sources / "classes.json", tmp_path / "data")
    arguments = [models / "small", "--apart", "source"]
    assert run(monkeypatch, tmp_path / "data", tmp_path / "out", *arguments, "--skip-bad-rows") == 0
    facts = [results(tmp_path / "out" / folder)["facts"] for folder in ("Camera-1", "phone")]
    assert [(fact["rows"], fact["rows_left_out"]) for fact in facts] == [(2, 1), (5, 1)]
    capsys.readouterr()
    arguments += ["--skip-bad-rows", "--max-rows", 2]  # rows 1 and 4, 0 and 3
    assert run(monkeypatch, tmp_path / "data", tmp_path / "few", *arguments) == 2
    assert "source Camera/1: 1 row to evaluate on; at least 2 are needed" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "few").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--apart", "weather"], "no column 'weather'; there are image, label, source"),
        (["--apart", "number"], "column 'number' holds int64; --apart needs a column of texts"),
        (["--apart", "image"], "column 'image' holds PIL.Image.Image; --apart needs a column of texts"),
        (["--apart", "gaps"], "column 'gaps' says nothing in row 1, 2, 4 and 3 more; --apart needs it in all"),
        (["--apart", "rare"], "only 1 row has the rare only; --apart needs at least 2 rows of each value"),
        (["--apart", "name"], "only 1 row has the name picture 0, picture 1, picture 2 and 6 more; --apart needs"),
        (["--apart", "name", "--split", "many"], "column 'name' has 24 different values (picture 0, picture 1, "),
        (
            ["--apart", "alike"],
            "the values 'a b' and 'a/b' of column 'alike' would both be evaluated in the folder a-b",
        ),
        (["--apart", "source", "--blind", 4], "source Camera/1: --blind 4 wants more rows than the 3 to evaluate on"),
        (["--blind", 10], "streets: --blind 10 wants more rows than the 9 to evaluate on"),
        (["--blind", 4, "--max-rows", 3], "streets: --blind 4 wants more rows than the 3 to evaluate on"),
        (["--blind", 0], 'Invalid value "0" for --blind. Must be >= 1'),
        (["--blind", 2, "--blind-seed", -1], 'Invalid value "-1" for --blind-seed. Must be >= 0'),
    ],
)
def test_refusals_of_apart_and_blind(
    sources: Path,
    models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list,
    said: str,
) -> None:
    assert run(monkeypatch, sources, tmp_path / "out", models / "small", *arguments) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("value", "folder"),
    [
        *[("camvid", "camvid"), ("a/b: c", "a-b-c"), ("../../etc", "etc"), (".hidden", "hidden"), ("a\0b\n", "a-b")],
        *[("晴れ", "晴れ"), ("CON.1 ", "CON.1"), ("..", "unnamed"), ("/", "unnamed"), ("x" * 300, "x" * 60)],
    ],
)
def test_values_become_safe_names_of_folders(value: str, folder: str) -> None:
    assert _folder(value) == folder


def test_cards_hold_each_part(
    sources: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One evaluation of each data set, part and split: a new one takes the place of an old one, others stay."""
    model = shutil.copytree(models / "few", tmp_path / "model")
    old = {"dataset": "towns", "hub_dataset": None, "split": "test", "measures": [{"name": "SSIM ↑", "value": 0.25}]}
    (model / "training.json").write_text(json.dumps({"evaluation": old}))
    arguments = [model, "--max-rows", 2, "--update-cards", "--apart", "source"]
    assert run(monkeypatch, sources, tmp_path / "out", *arguments) == 0
    parts = ["towns", "streets, source Camera/1", "streets, source phone"]
    record = json.loads((model / "training.json").read_text())
    assert "evaluation" not in record
    assert [evaluation["dataset"] for evaluation in record["evaluations"]] == parts
    assert record["evaluations"][0] == old
    card = ModelCard.load(model / "README.md")
    headings = [line for line in card.text.splitlines() if line.startswith("### ")]
    assert headings == ["### towns (test)", *(f"### {part} (validation)" for part in parts[1:])]
    for part in ("Camera-1", "phone"):
        found = results(tmp_path / "out" / part)
        value = found["models"][0]["measures"]["psnr"][0]
        section = card.text.split(f"### {found['facts']['dataset']} ")[1].split("\n#")[0]
        assert f"| PSNR, dB ↑ | {value:#.3g} |" in section
        assert f"- Data: 2 rows of {found['facts']['dataset']} (validation)" in section
        indexed = [r for r in card.data.eval_results or () if r.dataset_name == found["facts"]["dataset"]]
        assert {r.dataset_config for r in indexed} == {found["facts"]["part"]}
        assert any(r.metric_value == pytest.approx(value, rel=1e-3) for r in indexed)
    capsys.readouterr()
    assert run(monkeypatch, sources, tmp_path / "again", *[3 if a == 2 else a for a in arguments]) == 0
    again = json.loads((model / "training.json").read_text())
    assert [evaluation["dataset"] for evaluation in again["evaluations"]] == parts
    assert again["evaluations"][1]["notes"][0].startswith("Data: 3 rows")
    assert run(monkeypatch, sources, tmp_path / "whole", model, "--max-rows", 2, "--update-cards") == 0
    whole = json.loads((model / "training.json").read_text())
    assert [evaluation["dataset"] for evaluation in whole["evaluations"]] == [*parts, "streets"]
    assert whole["evaluations"][:3] == again["evaluations"]
