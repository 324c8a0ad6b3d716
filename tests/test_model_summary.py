"""`crn info` as people run it: in a pipe, in terminals, with models of every kind."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import ROOT
from support.hub_server import HubServer

from crn_hub import CRN, ClassSet
from crn_hub.cli import app, run
from crn_hub.model_summary import print_info

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
STAGE = {
    "dataset": "Cityscapes, training split",
    "license": "cc-by-4.0",
    "settings": {"resolution": 64, "learning_rate": 0.0002, "lr_scheduler": "cosine"},
    "result": {"steps": 12345, "epochs": 2.7, "hours": 1.5, "hardware": "1 x GPU", "validation_loss": 0.987654},
    "loss_weights": {"input": 0.00123456, "conv1_2": 2.0},
    "evaluation": {
        "dataset": "streets",
        "measures": [{"name": "mIoU", "value": 0.41239, "low": 0.4, "high": 0.42}, {"name": "SSIM", "value": 0.2}],
    },
}


def saved(folder: Path, record: dict[str, Any], classes: ClassSet | None = None) -> Path:
    model = CRN(classes or ClassSet.cityscapes(), (4, 4, 4), num_images=2)
    model.training_record = record
    model.save_pretrained(folder)
    return folder


def grown(stages: int) -> dict[str, Any]:
    record: dict[str, Any] = dict(STAGE)
    for _ in range(stages - 1):
        record = {**STAGE, "started_from": record}
    return record


Info = Callable[..., tuple[int, str, str]]


@pytest.fixture
def info(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Info:
    """The command in this process: arguments -> exit code, stdout (a pipe) and stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["crn", "info", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            run(app)
        return (int(ended.value.code or 0), *capsys.readouterr())

    return call


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "crn_hub", "info", *map(str, arguments)]


def in_terminal(columns: int, *arguments: object, **variables: str) -> str:
    """What the command prints in a terminal of so many columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        environment.pop(name, None)
    with subprocess.Popen(command(*arguments), stdout=slave, stdin=slave, env={**environment, **variables}) as process:
        os.close(slave)
        output = b""
        while chunk := _read(master):
            output += chunk
    os.close(master)
    assert process.returncode == 0
    return output.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # how Linux says that the other end is closed
        return b""


def test_everything_fits_on_one_screen(tmp_path: Path, info: Info) -> None:
    code, output, error = info(saved(tmp_path, grown(5)))
    assert (code, error) == (0, "")
    lines = output.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert not CONTROL.search(output)
    assert not any(line != line.rstrip() for line in lines)
    model = CRN.from_pretrained(tmp_path)
    for part in (
        str(tmp_path),
        "32 x 16 pixels, 2 per layout (k)",
        f"{model.num_parameters:,}",
        f"{model.gflop:.4g} GFLOP",
        "3 modules, channels at width x height: 4 at 8 x 4, 4 at 16 x 8, 4 at 32 x 16",
        "float32, 0.0",
        "cc-by-4.0",
        "Cityscapes, training split",
        "19 classes",
        "  7 #dcdc00 traffic sign",
        "255 #000000 unlabelled",
        "Training, 7.5 h",
        "5      64            12,345  2.7     0.0002, cosine  1.5 h  0.9877",
        "1 x GPU",
        "input 0.001235, conv1_2 2",
        "Evaluation on streets\nmIoU  0.412  (0.400, 0.420)\nSSIM  0.200\n",
    ):
        assert part in output
    assert not any(line.startswith("6  ") for line in lines)


def test_several_evaluations(tmp_path: Path, info: Info) -> None:
    found = [
        {"dataset": f"streets, source {part}", "split": "test", "measures": [{"name": "SSIM", "value": value}]}
        for part, value in (("a", 0.1), ("\x1b[1mb", 0.2))
    ]
    code, output, _ = info(saved(tmp_path, {"evaluations": [*found, "c", {"dataset": "empty"}]}))
    assert code == 0
    assert "\nEvaluation on streets, source a (test)\nSSIM  0.100\n\n" in output
    assert "\nEvaluation on streets, source [1mb (test)\nSSIM  0.200\n" in output
    assert output.count("Evaluation on") == 2


def test_citations_and_the_licences_of_earlier_stages(tmp_path: Path, info: Info) -> None:
    last = {"license": "non-commercial-research", "citations": ["Streets,\x1b 2009."], "started_from": STAGE}
    code, output, error = info(saved(tmp_path, last))
    assert (code, error) == (0, "")
    assert "licence       non-commercial-research; of earlier stages: cc-by-4.0\n" in output
    assert "citation      Streets, 2009.\n" in output
    assert not CONTROL.search(output)


def test_weights_are_those_of_the_file_that_was_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    CRN(ClassSet.camvid(), (4,)).half().save_pretrained(tmp_path)
    loaded = CRN.from_pretrained(tmp_path)
    made = CRN(ClassSet.camvid(), (4,))
    made.save_pretrained(tmp_path)
    print_info(str(tmp_path), loaded)
    assert "weights       float16, 0.0" in capsys.readouterr().out
    print_info(str(tmp_path), made)
    assert "weights       " not in capsys.readouterr().out.replace("loss weights", "")


def test_the_model_in_the_box() -> None:
    done = subprocess.run(command("box"), capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stderr) == (0, "")
    assert "512 x 256 pixels" in done.stdout
    assert "float16" in done.stdout
    assert "  3 #804080 road" in done.stdout
    assert not CONTROL.search(done.stdout)


def assert_fits(output: str, columns: int) -> None:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output).replace("\r\n", "\n")
    assert not CONTROL.search(plain)
    assert 50 < max(map(len, plain.splitlines())) <= columns


def test_a_terminal_shows_swatches(tmp_path: Path) -> None:
    output = in_terminal(80, saved(tmp_path, grown(2)))
    assert "  0 \x1b[48;2;128;64;128m  \x1b[0m road" in output
    assert "#804080" not in output
    assert_fits(output, 80)


def test_a_terminal_without_colours_shows_them_in_hex(tmp_path: Path) -> None:
    output = in_terminal(120, saved(tmp_path, grown(2)), NO_COLOR="1")
    assert "  0 #804080 road" in output
    assert "48;2" not in output
    assert_fits(output, 120)


def test_a_hundred_and_fifty_classes_stand_in_columns(tmp_path: Path, info: Info) -> None:
    names = [f"class {n}" for n in range(149)]
    names.append("bannister, banister, balustrade, balusters, handrail")
    classes = ClassSet(names, [(n, 255 - n, 7) for n in range(150)])
    lines = info(saved(tmp_path, {}, classes))[1].splitlines()
    assert max(map(len, lines)) <= 100
    assert len(lines) < 70
    assert all(len(re.findall(rf"\bclass {n}\b", "\n".join(lines))) == 1 for n in range(149))
    assert any("149 #956a07 bannister" in line for line in lines)


def test_texts_from_outside_do_not_reach_the_terminal_as_controls(tmp_path: Path, info: Info) -> None:
    folder = saved(tmp_path / "a\x1b[2Jb", {}, ClassSet(["\u202eroad\ud800"], [(1, 2, 3)]))
    record = {
        "dataset": "a\x1b]0;owned\x07\nb",
        "license": "\x9b31mfree",
        "settings": {"lr_scheduler": "\x1b[5m", "learning_rate": 1},
        "result": {"hardware": "[bold]gpu[/bold] :smile:\r\n"},
        "loss_weights": {"\x1b[1minput": 1},
    }
    (folder / "training.json").write_text(json.dumps(record))
    code, output, error = info(folder)
    assert (code, error) == (0, "")
    assert not CONTROL.search(output)
    assert "a]0;owned b" in output
    assert "[bold]gpu[/bold] :smile:" in output
    assert "  0 #010203 road  " in output


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({}, "origin        not recorded"),
        ({"converted_from": "model.ckpt (TensorFlow checkpoint)"}, "converted from model.ckpt (TensorFlow checkpoint)"),
        ({"settings": 5, "started_from": "x", "loss_weights": [1], "result": None}, "origin        not recorded"),
        ({"dataset": ["a"], "license": {}, "result": {"hours": "x", "steps": 10**400}}, "licence       not recorded"),
    ],
)
def test_records_of_every_kind(
    tmp_path: Path,
    info: Info,
    record: dict[str, Any],
    expected: str,
) -> None:
    code, output, error = info(saved(tmp_path, record))
    assert (code, error) == (0, "")
    assert expected in output


def test_names_that_an_ascii_pipe_cannot_take_do_not_stop_the_command(tmp_path: Path) -> None:
    folder = saved(tmp_path, {}, ClassSet(["道路", "sky"], [(1, 2, 3), (4, 5, 6)]))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command(folder), capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"#010203 \u9053\u8def" in done.stdout


def test_a_model_on_the_hub(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", STAGE)
    with HubServer() as hub:
        hub.commit(
            "models", "org/streets", {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
        )
        environment = {**os.environ, **hub.environment(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command("org/streets"), capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("org/streets\n")
    assert "float32, 0.0" in done.stdout
    assert "Training, 1.5 h" in done.stdout


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "missing", "no such folder"),
        (lambda folder: folder, "holds no config.json"),
    ],
)
def test_what_is_not_a_model_ends_with_one_line_and_code_2(tmp_path: Path, info: Info, make: Any, message: str) -> None:
    code, output, error = info(make(tmp_path))
    assert (code, output) == (2, "")
    (line,) = error.splitlines()
    assert message in line


def test_an_error_about_a_text_from_outside_brings_no_controls(tmp_path: Path, info: Info) -> None:
    config = json.loads((saved(tmp_path, {}) / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "\x1b[31mred": 1}))
    code, _, error = info(tmp_path)
    assert code == 2
    assert "unknown fields [31mred" in error
    assert not CONTROL.search(error)


def test_help_has_an_example(info: Info) -> None:
    code, output, _ = info("--help")
    assert code == 0
    assert "Example: crn info org/crn-cityscapes" in output
