"""The crn command as people run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cyclopts import App
from PIL import Image
from support import ROOT
from support.command_line import crn

import crn_hub
from crn_hub import CRN, ClassSet
from crn_hub.cli import COMMANDS, app


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    CRN(ClassSet.camvid(), (4, 4, 4), num_images=2).save_pretrained(folder)
    return folder


def layout(path: Path, value: int) -> Path:
    Image.fromarray(np.full((20, 40), value, np.uint8)).save(path)
    return path


def test_photographs_are_what_the_model_makes(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [layout(tmp_path / "one.png", 3), layout(tmp_path / "two.png", 255)]
    assert crn(monkeypatch, "synthesize", model_folder, *files, "--output", tmp_path / "out") == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["one_1.png", "one_2.png", "two_1.png", "two_2.png"]
    expected = CRN.from_pretrained(model_folder).synthesize(files[0])[1]
    with Image.open(tmp_path / "out" / "one_2.png") as written:
        assert written.tobytes() == expected.tobytes()


@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (700, 2)])
def test_photographs_have_the_size_of_their_layouts(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    Image.fromarray(np.full(size, 3, np.uint8)).save(tmp_path / "odd.png")
    assert crn(monkeypatch, "synthesize", model_folder, tmp_path / "odd.png", "--output", tmp_path / "out") == 0
    with Image.open(tmp_path / "out" / "odd_2.png") as written:
        assert written.size == size[::-1]


def test_number_and_size_of_photographs(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = layout(tmp_path / "one.png", 3)
    options = ["--output", tmp_path / "out", "--num-images", 1, "--size", 10, 30]
    assert crn(monkeypatch, "synthesize", model_folder, file, *options) == 0
    with Image.open(tmp_path / "out" / "one.png") as written:
        assert written.size == (30, 10)


def test_layouts_of_another_set_are_translated_and_reported_on_stderr(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cityscapes = ClassSet.cityscapes()
    ids = np.array([[0, 1, 8, 255]], np.uint8).repeat(20, axis=0).repeat(10, axis=1)
    cityscapes.to_image(ids).convert("RGB").save(tmp_path / "colors.png")
    Image.fromarray(ids).save(tmp_path / "ids.png")
    expected = CRN.from_pretrained(model_folder).synthesize(cityscapes.translation_to(ClassSet.camvid())[ids], 1)[0]
    one = ["--num-images", 1, "--output", tmp_path / "out"]
    assert crn(monkeypatch, "synthesize", model_folder, tmp_path / "colors.png", *one) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path / 'out' / 'colors.png'}\n"
    assert captured.err.splitlines() == [
        f"{tmp_path / 'colors.png'}: void colours in 200 pixels (25.0%) were treated as unlabelled: (0, 0, 0) 200.",
        f"{tmp_path / 'colors.png'}: read with the classes of cityscapes and translated by name: "
        "sidewalk as pavement, vegetation as tree.",
    ]
    forced = [*one, "--layout-classes", "cityscapes"]
    assert crn(monkeypatch, "synthesize", model_folder, tmp_path / "ids.png", *forced) == 0
    raw = np.array([[7, 8, 21, 0]], np.uint8).repeat(20, axis=0).repeat(10, axis=1)  # void is 0
    Image.fromarray(raw).save(tmp_path / "raw.png")
    forced = [*one, "--layout-classes", "cityscapes-label-ids"]
    assert crn(monkeypatch, "synthesize", model_folder, tmp_path / "raw.png", *forced) == 0
    (tmp_path / "classes.json").write_text(json.dumps(cityscapes.to_list()))
    Image.fromarray(ids).save(tmp_path / "file.png")
    forced = [*one, "--layout-classes", tmp_path / "classes.json"]
    assert crn(monkeypatch, "synthesize", model_folder, tmp_path / "file.png", *forced) == 0
    for name in ("colors.png", "ids.png", "raw.png", "file.png"):
        with Image.open(tmp_path / "out" / name) as written:
            assert written.tobytes() == expected.tobytes()


def test_damaged_colours_snap_on_demand(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (40, 20), (127, 65, 128)).save(tmp_path / "street.png")
    arguments = ["synthesize", model_folder, tmp_path / "street.png", "--output", tmp_path / "out"]
    assert crn(monkeypatch, *arguments) == 2
    assert "800 pixels (100.0%)" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert crn(monkeypatch, *arguments, "--snap") == 0
    assert "as the nearest class colour" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda model, folder: ["synthesize", model, folder / "no.png", "--output", folder / "out"], "no.png"),
        (
            lambda model, folder: ["synthesize", model, layout(folder / "a.png", 77), "--output", folder / "out"],
            "id 77",
        ),
        (
            lambda model, folder: ["synthesize", folder, layout(folder / "a.png", 1), "--output", folder / "out"],
            "config.json",
        ),
        (lambda model, folder: ["synthesize", model, layout(folder / "a.png", 1)], "--output requires an"),
        (lambda model, folder: ["synthesise", model], "synthesise"),
        (
            lambda model, folder: ["synthesize", model, *[layout(folder / "a.png", 1)] * 2, "--output", folder / "out"],
            "two layouts",
        ),
        (
            lambda model, folder: [
                *["synthesize", model, layout(folder / "a.png", 1), "--output", folder / "out"],
                *["--num-images", "3"],
            ],
            "num_images must be 1..2",
        ),
        (
            lambda model, folder: [
                *["synthesize", model, layout(folder / "a.png", 1), "--output", folder / "out"],
                *["--size", "99999", "9999"],
            ],
            "size must be",
        ),
    ],
)
def test_bad_input_ends_with_one_line_and_code_2(
    model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    make: object,
    message: str,
) -> None:
    assert crn(monkeypatch, *make(model_folder, tmp_path)) == 2  # type: ignore[operator]
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
    assert not (tmp_path / "out").exists()


def test_a_layout_is_never_written_over(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = layout(tmp_path / "street.png", 3)
    before = file.read_bytes()
    assert crn(monkeypatch, "synthesize", model_folder, file, "--output", tmp_path, "--num-images", 1) == 2
    assert "could be overwritten" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_an_unwritable_folder_is_a_failure(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("a file is in the way")
    code = crn(monkeypatch, "synthesize", model_folder, layout(tmp_path / "a.png", 1), "--output", tmp_path / "out")
    assert code == 2
    assert "a file, not a folder" in capsys.readouterr().err


def test_every_module_of_commands_is_a_command_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    modules = {file.stem for file in (ROOT / "crn_hub" / "commands").glob("*.py")} - {"__init__"}
    groups = {command.name[0]: command for command in COMMANDS if isinstance(command, App)}
    assert modules == {*groups} | {command.__name__ for command in COMMANDS if not isinstance(command, App)}
    names = [[module.replace("_", "-")] for module in sorted(modules - {*groups})]
    names += [[group, name] for group in groups for name in groups[group] if not name.startswith("-")]
    for words in names:
        app([*words, "--help"], exit_on_error=False, result_action="return_value")
        assert f"Example: crn {' '.join(words)} " in capsys.readouterr().out


@pytest.mark.parametrize("name", ["box", "", None])
def test_the_page_knows_the_model_in_the_box(name: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[CRN] = []
    monkeypatch.setattr("crn_hub.demo.launch", lambda model, inbrowser: served.append(model))
    monkeypatch.delenv("CRN_MODEL", raising=False)
    if name is not None:
        monkeypatch.setenv("CRN_MODEL", name)
    import app as page

    assert page.main() == 0
    assert served[0].config == CRN.from_pretrained().config


def test_the_module_is_the_command() -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "crn_hub", "synthesize", "--help"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0
    assert "Example: crn synthesize" in done.stdout


@pytest.mark.parametrize(
    ("code", "needless"),
    [
        (
            "import crn_hub.cli",
            {"torch", "torchvision", "datasets", "gradio", "transformers", "pandas", "scipy", "PIL"},
        ),
        ("from crn_hub import CRN", {"torchvision", "datasets", "gradio", "transformers", "pandas", "scipy.cluster"}),
        ("import crn_hub.demo", {"torchvision", "datasets", "transformers"}),
        ("import train_accelerate", {"torchvision", "datasets", "transformers", "matplotlib", "torch._dynamo"}),
        ("from crn_hub import CRN; CRN.from_pretrained()", {"torch._dynamo", "sympy", "datasets", "matplotlib"}),
    ],
)
def test_nobody_waits_for_imports_that_they_do_not_need(code: str, needless: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert not needless & {*done.stdout.split()}


def test_the_package_gathers() -> None:
    assert {*crn_hub.__all__} <= {*dir(crn_hub)}
    assert all(getattr(crn_hub, name).__name__ == name for name in crn_hub.__all__)
    with pytest.raises(AttributeError, match="module 'crn_hub' has no attribute 'GAN'"):
        crn_hub.GAN  # noqa: B018
