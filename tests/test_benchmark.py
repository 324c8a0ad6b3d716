"""`crn benchmark`: what is measured, and that engines and precisions make the pictures that they claim to make."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.command_line import crn

from benchmarks.peers import PlainPort, float_inputs
from crn_hub import CRN, ClassSet
from crn_hub.benchmark.machine import Limits, describe, take_turns
from crn_hub.benchmark.report import milliseconds, tables, write_report
from crn_hub.benchmark.synthesis import layout_for, load, measure_synthesis
from crn_hub.benchmark.training import measure_training
from crn_hub.pictures import few_colors

CPU = torch.device("cpu")
HALVES = {"bfloat16": 4, "float16": 2}  # the largest difference from float32, of 255


@pytest.fixture
def small(tmp_path: Path) -> str:
    torch.manual_seed(0)
    CRN(ClassSet.streets(), (8, 6, 5, 4, 4), region_colors=True, noise_planes=True).save_pretrained(tmp_path / "small")
    return str(tmp_path / "small")


CASCADES: dict[str, Callable[[], CRN]] = {
    "the model in the box": CRN.from_pretrained,
    "several images": lambda: CRN(ClassSet.cityscapes(), (32, 32, 32, 16, 16, 8), num_images=3),
    "noise alone, upright": lambda: CRN(ClassSet.camvid(), (8, 8, 4), base_size=(8, 4), noise_planes=True),
}


@pytest.mark.parametrize("name", CASCADES)
def test_pictures_are_those_of_the_plainest_operations(name: str) -> None:
    """Within 0.1 of 255 everywhere: less arithmetic, in another order, changes only how numbers are rounded."""
    torch.manual_seed(0)
    model = CASCADES[name]().eval()
    layout = layout_for(model)
    given = model._inputs(None, None, 3 if model.noise_planes else 0)(layout[None])
    colors, noise = (*given, None, None)[:2]
    ids = torch.from_numpy(layout[None])
    with torch.no_grad():
        images = model(ids, *given)
        plain = PlainPort(model)(*float_inputs(model, ids, colors, noise or []))
    expected = plain.unflatten(1, (3, model.num_images)).transpose(1, 2)
    assert images.shape == expected.shape
    assert expected.std() > 0
    assert 127.5 * (images - expected).abs().max() < 0.1


@pytest.mark.parametrize("precision", [*HALVES])
def test_half_precisions_stay_near_float32(precision: str) -> None:
    exact, half = load("box", CPU), load("box", CPU, precision)  # type: ignore[arg-type]
    assert next(half.parameters()).dtype == getattr(torch, precision)
    layout = layout_for(exact)
    pictures = (np.asarray(model.synthesize(layout)[0], np.int16) for model in (exact, half))
    apart = np.abs(np.subtract(*pictures))
    assert 0 < apart.max() <= HALVES[precision]
    assert apart.mean() < 0.5


def test_calls_take_turns_and_a_first_round_is_not_counted() -> None:
    order: list[str] = []
    seconds = take_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3, CPU, "turns")
    assert order == ["a", "b"] * 4
    assert {name: len(taken) for name, taken in seconds.items()} == {"a": 3, "b": 3}


def test_limits_are_work_over_time() -> None:
    limits = Limits(CPU)
    assert [*limits.calls] == ["matrix product", "convolution", "copy"]
    seconds = {"matrix product": [1.0], "convolution": [2.0, 2.0, 9.0], "copy": [0.5]}
    assert limits.rate(seconds) == pytest.approx(2 * 1536**3 / 1e9)  # as fast as the convolution would be in 1.5 s
    assert limits.rate(seconds | {"convolution": [0.1]}) == pytest.approx(10 * 2 * 9 * 256**2 * 64**2 / 1e9)
    assert limits.bandwidth(seconds) == pytest.approx(2 * 4 * 2**26 / 0.5 / 1e9)
    for call in limits.calls.values():
        call()
    assert "PyTorch" in describe(CPU, 2)


def test_what_is_measured_adds_up_and_is_written(small: str, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    machines, photographs = measure_synthesis([small], [2], ["float32", "bfloat16"], 2)
    steps = measure_training([small], 2, 2)
    assert torch.get_num_threads() == threads
    assert [cost.precision for cost in photographs] == ["float32", "bfloat16"]
    for cost in photographs:
        assert len(cost.seconds) == 2
        assert sum(cost.parts.values()) == pytest.approx(cost.median)
        assert cost.parts["convolutions"] > 0
        assert 0 < cost.computed < load(small, CPU).gflop
        assert cost.limit == pytest.approx(load(small, CPU).gflop / machines[0].rate)
        assert 0.1e9 < cost.memory < 3e9  # libraries, and hardly anything else
    assert photographs[0].errors == (0.0, 0.0)
    assert 0 < photographs[1].errors[1] <= photographs[1].errors[0]
    assert {"network, forward", "distance of textures", "network, backward", "optimiser"} < steps[0].parts.keys()

    write_report(tmp_path / "out", machines, photographs, steps)
    record = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert record["photographs"][1]["seconds"] == photographs[1].seconds
    text = (tmp_path / "out" / "benchmark.md").read_text()
    assert text == tables(machines, photographs, steps) + "\n"
    assert f"| a step, ms | {milliseconds(steps[0].median)} |" in text
    with Image.open(tmp_path / "out" / "time.png") as picture:
        assert picture.width > 1000


def test_plots_keep_their_colours() -> None:
    """Also of a heat map, whose colours change little by little."""
    ramp = np.linspace(0, 255, 400).astype(np.uint8)
    pixels = np.full((200, 400, 3), 255, np.uint8)
    pixels[50:150] = np.stack([ramp, 255 - ramp, np.full_like(ramp, 90)], axis=-1)
    found = few_colors(Image.fromarray(pixels))
    assert found.mode == "P"
    assert np.abs(np.asarray(found.convert("RGB"), np.int16) - pixels).max() <= 16


def test_several_images_and_networks_without_colours_are_trained_too(tmp_path: Path) -> None:
    CRN(ClassSet.camvid(), (4, 4, 4), num_images=2).save_pretrained(tmp_path / "two")
    CRN(ClassSet.camvid(), (4, 4, 4)).save_pretrained(tmp_path / "plain")
    two, plain = measure_training([str(tmp_path / "two"), str(tmp_path / "plain")], 1, 1)
    assert "features, perceptual distance" in two.parts
    assert "perceptual distance" in plain.parts
    assert "distance of textures" not in plain.parts


def test_the_papers_networks_have_their_widths() -> None:
    model = load("paper-256p", CPU)
    assert isinstance(model, CRN)
    assert (model.widths, model.num_images) == ((1024,) * 5 + (512, 512), 9)


def test_the_command_prints_tables(
    small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("crn_hub.benchmark.synthesis.memory_of", lambda *_: 10**9)  # takes seconds, tested above
    assert crn(monkeypatch, "benchmark", small, *"--rounds 1 --threads 1 2 --output".split(), tmp_path / "out") == 0
    assert capsys.readouterr().out.count("GFLOP/s in large products") == 2
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"benchmark.md", "benchmark.json", "time.png"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--threads 0", "Must be >= 1"),
        ("--threads 1 100000", "Must be <= 1024"),
        ("--rounds 0", "Must be >= 1"),
        ("--precision float8", 'Choose from: "float32", "bfloat16", "float16"'),
        ("./no-such-model", "no-such-model"),
        ("--output setup.cfg/out", "setup.cfg"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_sentence(
    arguments: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "setup.cfg").touch()
    assert crn(monkeypatch, "benchmark", *arguments.split()) == 2
    said = capsys.readouterr().err.strip()
    assert message in said
    assert len(said.splitlines()) == 1
