"""Model folders: what `save_pretrained` writes, and what `from_pretrained` refuses before memory is taken."""

import json
import os
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.hub_client import (
    EDITED_CARD,
    MODEL_FILES,
    Client,
    contents,
    facts,
    load_and_measure,
    refusal,
    saved_model,
    small_model,
)

from crn_hub import CRN, ClassSet, HubModel

# -- what is written ---------------------------------------------------------------------------------


def test_loading_a_folder_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = saved_model(tmp_path)
    assert facts(CRN.from_pretrained(tmp_path)) == facts(model)
    assert capfd.readouterr() == ("", "")


def test_saving_keeps_a_card_and_leaves_nothing_else_behind(tmp_path: Path) -> None:
    saved_model(tmp_path, seed=1)
    (tmp_path / "README.md").write_bytes(EDITED_CARD)
    model = saved_model(tmp_path, seed=2)
    assert set(contents(tmp_path)) == MODEL_FILES
    assert (tmp_path / "README.md").read_bytes() == EDITED_CARD
    assert facts(CRN.from_pretrained(tmp_path)) == facts(model)


def test_saving_a_model_without_record_takes_the_old_record_away(tmp_path: Path) -> None:
    saved_model(tmp_path)
    saved_model(tmp_path, record={})
    assert CRN.from_pretrained(tmp_path).training_record == {}


def test_card_of_a_saved_model_names_every_class(tmp_path: Path) -> None:
    saved_model(tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert re.match(r"---\n(.+\n)+---\n", card)
    for name in ClassSet.camvid().names:
        assert f"| {name} |" in card


def test_settings_come_back_as_they_were(tmp_path: Path) -> None:
    classes = ClassSet(["road", "sky"], [(1, 2, 3), (4, 5, 6)], {"road": ["lane", "street"]})
    CRN(classes, widths=[4, 8], base_size=[2, 3], num_images=3).save_pretrained(tmp_path)
    model = CRN.from_pretrained(tmp_path)
    assert (model.widths, model.base_size, model.num_images) == ((4, 8), (2, 3), 3)
    assert model.classes == classes
    assert model.classes.aliases == {"road": ("lane", "street")}


def test_a_class_built_on_the_cascade_is_loaded_as_that_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HubModel, "_architectures", dict(HubModel._architectures))

    class Sharper(CRN):
        ARCHITECTURE = "sharper"

    Sharper(ClassSet.camvid(), (4, 4)).save_pretrained(tmp_path / "sharper")
    CRN(ClassSet.camvid(), (4, 4)).save_pretrained(tmp_path / "plain")
    assert type(HubModel.from_pretrained(tmp_path / "sharper")) is Sharper
    assert type(CRN.from_pretrained(tmp_path / "sharper")) is Sharper
    assert type(HubModel.from_pretrained(tmp_path / "plain")) is CRN


@pytest.mark.parametrize("inside", [".", "model", "deep/model"])
def test_saving_where_a_file_is_in_the_way(tmp_path: Path, inside: str) -> None:
    (tmp_path / "notes").write_text("a file")
    message = refusal(FileExistsError, small_model().save_pretrained, tmp_path / "notes" / inside)
    assert message == f"{tmp_path / 'notes'}: a file, where a folder is needed to save the model."


def test_card_shows_the_samples_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    for file in ("street.png", "._street.png", "notes.txt"):
        (tmp_path / "samples" / file).write_bytes(b"")
    (tmp_path / "samples" / "gone.png").symlink_to(tmp_path / "nothing")
    (tmp_path / "samples" / "folder.png").mkdir()
    saved_model(tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"samples/[^)]+", card) == ["samples/street.png"]


# -- names and files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["./no/such/folder", "../nowhere", "/no/such/folder", "no such folder", "n" * 300])
def test_wrong_local_path(name: str) -> None:
    message = refusal(FileNotFoundError, CRN.from_pretrained, name)
    assert message == f"{name}: no such folder, and not a Hub id of the form organisation/name."


def test_empty_name_is_not_the_model_in_the_box() -> None:
    message = refusal(FileNotFoundError, CRN.from_pretrained, "")
    assert message == "the name is empty; give a folder or a Hub id."


def test_file_in_place_of_a_folder(tmp_path: Path) -> None:
    saved_model(tmp_path)
    message = refusal(FileNotFoundError, CRN.from_pretrained, tmp_path / "model.safetensors")
    assert message.endswith("model.safetensors: a file, where the name of a folder or a Hub id is needed.")


def test_folder_without_a_model(tmp_path: Path) -> None:
    message = refusal(FileNotFoundError, CRN.from_pretrained, tmp_path)
    assert message == f"{tmp_path}: the folder holds no config.json."


def test_folder_with_pickled_weights_only(tmp_path: Path) -> None:
    saved_model(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    message = refusal(FileNotFoundError, CRN.from_pretrained, tmp_path)
    assert message == f"{tmp_path}: the folder holds no model.safetensors (weights are read from safetensors only)."


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_neither_folders_nor_devices_nor_links_to_nothing_are_files(tmp_path: Path, file: str) -> None:
    saved_model(tmp_path)
    (tmp_path / file).unlink()
    complaint = f"{tmp_path}: the folder holds no {file}"
    (tmp_path / file).mkdir()
    assert refusal(FileNotFoundError, CRN.from_pretrained, tmp_path).startswith(complaint)
    (tmp_path / file).rmdir()
    for target in ("/dev/zero", tmp_path / "nothing"):
        (tmp_path / file).symlink_to(target)
        assert refusal(FileNotFoundError, CRN.from_pretrained, tmp_path).startswith(complaint)
        (tmp_path / file).unlink()


def test_files_may_be_links_as_in_the_clients_cache(tmp_path: Path) -> None:
    model = saved_model(tmp_path / "blobs")
    (tmp_path / "snapshot").mkdir()
    for file in ("config.json", "model.safetensors", "training.json"):
        (tmp_path / "snapshot" / file).symlink_to(tmp_path / "blobs" / file)
    assert facts(CRN.from_pretrained(tmp_path / "snapshot")) == facts(model)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "", 2.5])
def test_unknown_devices_are_refused_before_anything_is_read(tmp_path: Path, device: Any) -> None:
    message = refusal(ValueError, CRN.from_pretrained, tmp_path / "nothing", map_location=device)
    assert message == (
        f"map_location must be a device that PyTorch finds here, such as 'cpu' or 'cuda', not {device!r}."
    )


def test_a_loaded_model_does_not_follow_its_file(tmp_path: Path) -> None:
    expected = facts(saved_model(tmp_path))
    model = CRN.from_pretrained(tmp_path)
    with (tmp_path / "model.safetensors").open("r+b") as file:
        file.write(bytes(os.path.getsize(file.name)))
    assert facts(model) == expected


# -- config.json and training.json -------------------------------------------------------------------

CONFIG: dict[str, Any] = {
    "classes": [{"id": 0, "name": "road", "color": [1, 2, 3]}],
    "widths": [4],
    "base_size": [4, 8],
    "num_images": 1,
}
MANY_CLASSES = [{"name": f"class {n}", "color": [n, 0, 0]} for n in range(255)]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"widths": [8192] * 3}, "widths [8192, 8192, 8192] give 3,020,464,131 parameters; at most 2,147,483,648 are"),
        ({"widths": [10**9]}, "widths must be whole numbers 1..8192, not 1000000000"),
        ({"widths": [10**4000]}, "widths must be whole numbers 1..8192, not 1000"),
        ({"widths": [4, -4]}, "widths must be whole numbers 1..8192, not -4"),
        ({"widths": [4, 0]}, "widths must be whole numbers 1..8192, not 0"),
        ({"widths": [4.0]}, "widths must be whole numbers 1..8192, not 4.0"),
        ({"widths": [True]}, "widths must be whole numbers 1..8192, not True"),
        ({"widths": ["4"]}, "widths must be whole numbers 1..8192, not '4'"),
        ({"widths": [[[[[[[[[4]]]]]]]]]}, "widths must be whole numbers 1..8192, not [[[["),
        ({"widths": "4" * 10_000}, "widths must be a list of whole numbers, not '444"),
        ({"widths": None}, "widths must be a list of whole numbers, not None"),
        ({"widths": {"0": 4}}, "widths must be a list of whole numbers, not {'0': 4}"),
        ({"widths": []}, "widths must name 1 to 12 modules, not 0"),
        ({"widths": [4] * 13}, "widths must name 1 to 12 modules, not 13"),
        ({"widths": [4] * 12}, "base_size [4, 8] and 12 modules give images of 8192 x 16384 = 134,217,728 pixels"),
        ({"base_size": [1024, 1024], "widths": [1025]}, "widths[0] = 1025 gives 1,074,790,400 features at 1024 x 1024"),
        ({"widths": [8] * 10 + [33]}, "widths[10] = 33 gives 1,107,296,256 features at 4096 x 8192 pixels; at most"),
        (
            {"widths": [1] * 12, "base_size": [2, 4], "num_images": 256},
            "num_images = 256 gives 25,769,803,776 features at 4096 x 8192 pixels; at most 536,870,912 are allowed",
        ),
        (
            {"widths": [1] * 12, "base_size": [2, 4], "classes": MANY_CLASSES},
            "1 channels of the module before and 256 of the layout give 538,968,064 features at 1024 x 2048 pixels",
        ),
        ({"base_size": [4]}, "base_size must be (height, width), not [4]"),
        ({"base_size": [4, -8]}, "base_size must be whole numbers 1..4096, not -8"),
        ({"base_size": [4, 10**9]}, "base_size must be whole numbers 1..4096, not 1000000000"),
        ({"num_images": 0}, "num_images must be whole numbers 1..256, not 0"),
        ({"num_images": 10**9}, "num_images must be whole numbers 1..256, not 1000000000"),
        ({"num_images": "9"}, "num_images must be whole numbers 1..256, not '9'"),
        ({"version": 2}, "unknown fields version, of another kind of model or a newer crn_hub."),
        ({"a\nb": 1, "c": 2, "d": 3, "e" * 9999: 4}, "unknown fields a b, c, d and 1 more, of another kind"),
        ({"classes": [{**CONFIG["classes"][0], "weight": 1, "depth": 2}]}, "unknown fields depth, weight in classes"),
        ({"classes": []}, "a class set needs 1 to 255 classes, 0 were given"),
        ({"classes": "camvid"}, "classes must be a list of objects"),
        ({"classes": [[1]]}, "classes must be a list of objects"),
        ({"classes": [{"name": ["road"], "color": [1, 2, 3]}]}, "a class name must be a text, not ['road']"),
        ({"classes": [{"name": 7, "color": [1, 2, 3]}]}, "a class name must be a text, not 7"),
        ({"classes": [{"name": "", "color": [1, 2, 3]}]}, "a class name must be a text that is not empty"),
    ],
)
def test_hostile_config_is_refused(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, **change}))
    message = refusal(ValueError, CRN.from_pretrained, tmp_path)
    assert message.startswith(f"{tmp_path}: config.json does not describe a CRN: {complaint}")
    assert len(message) < 600


def test_config_that_lacks_a_field(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({key: CONFIG[key] for key in ("classes", "widths")}))
    message = refusal(ValueError, CRN.from_pretrained, tmp_path)
    assert message == f"{tmp_path}: config.json does not describe a CRN: the fields base_size, num_images are missing."


@pytest.mark.parametrize("file", ["config.json", "training.json"])
@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "is not readable JSON (Expecting value: line 1 column 1 (char 0))."),
        (b'{"widths": [4', "is not readable JSON (Expecting ',' delimiter"),
        (b"\xff\xfe{}", "is not readable JSON ('utf-8' codec can't decode byte 0xff"),
        (b'{"a": ' * 50_000, "is not readable JSON (maximum recursion depth exceeded"),
        (b'{"widths": [' + b"1" * 5000 + b"]}", "is not readable JSON (Exceeds the limit"),
        (b"[]", "is not a JSON object but list."),
        (b"null", "is not a JSON object but NoneType."),
        (b" " * (2**20 + 1), "has 1,048,577 bytes, more than the 1,048,576 that it can need."),
    ],
    ids=["empty", "cut off", "no text", "deep", "long number", "list", "null", "long"],
)
def test_files_that_are_not_json_objects(tmp_path: Path, file: str, data: bytes, complaint: str) -> None:
    saved_model(tmp_path)
    (tmp_path / file).write_bytes(data)
    assert refusal(ValueError, CRN.from_pretrained, tmp_path).startswith(f"{tmp_path}: {file} {complaint}")


# -- model.safetensors -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda tensors: tensors.pop("stages.1.conv2.weight"), "missing stages.1.conv2.weight"),
        (lambda tensors: tensors.update(extra=torch.zeros(1)), "unexpected extra"),
        (lambda tensors: tensors.update({"a\nb": torch.zeros(1)}), "unexpected a b"),
        (
            lambda tensors: tensors.update({"to_images.bias": torch.zeros(5)}),
            "wrong shape to_images.bias [5] instead of [6]",
        ),
        (
            lambda tensors: tensors.update({"to_images.weight": torch.zeros(24)}),
            "wrong shape to_images.weight [24] instead of [6, 4, 1, 1]",
        ),
        (
            lambda tensors: tensors.update({"to_images.bias": torch.zeros(6, dtype=torch.int64)}),
            "not floating point to_images.bias I64",
        ),
        (
            lambda tensors: tensors.update({"to_images.bias": torch.full((6,), 1e300, dtype=torch.float64)}),
            "not finite numbers in to_images.bias",
        ),
        (
            lambda tensors: [tensors.pop(key) for key in sorted(tensors) if "norm" in key],
            "missing stages.0.norm1.weight, stages.0.norm1.bias, stages.0.norm2.weight and 9 more",
        ),
        (
            lambda tensors: tensors.update({"more": tensors.pop("to_images.bias")}),
            "missing to_images.bias; unexpected more",
        ),
    ],
    ids=["missing", "unexpected", "newline", "length", "rank", "integer", "infinite", "many", "renamed"],
)
def test_tensors_that_do_not_fit_are_named(
    tmp_path: Path, damage: Callable[[dict[str, torch.Tensor]], Any], complaint: str
) -> None:
    saved_model(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    damage(tensors)
    save_file(tensors, tmp_path / "model.safetensors")
    message = refusal(ValueError, CRN.from_pretrained, tmp_path)
    assert message == f"{tmp_path}: the tensors of model.safetensors don't fit config.json: {complaint}."


def promise(dtype: str, shape: list[int], size: int) -> bytes:
    """A safetensors file with one tensor of four bytes whose header says something else."""
    header = json.dumps({"to_images.bias": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + b"1234"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        bytes(range(256)) * 4,
        struct.pack("<Q", 2**60) + b"{}",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 60_000) + b"[" * 60_000,
        promise("F32", [2**20, 2**20], 2**42),
        promise("F32", [2**40, 2**40], 4),
        promise("F32", [-1], 4),
        promise("F32", [2], 4),
        promise("pickle", [1], 4),
    ],
    ids=["empty", "short", "bytes", "2^60", "2^63", "deep", "promises", "overflow", "negative", "shape", "dtype"],
)
def test_weights_that_are_not_safetensors(tmp_path: Path, data: bytes) -> None:
    saved_model(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(data)
    message = refusal(ValueError, CRN.from_pretrained, tmp_path)
    assert message.startswith(f"{tmp_path}: model.safetensors is not a readable safetensors file (")


def test_a_promise_that_is_kept_is_a_safetensors_file(tmp_path: Path) -> None:
    saved_model(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(promise("F32", [1], 4))
    message = refusal(ValueError, CRN.from_pretrained, tmp_path)
    assert message.startswith(f"{tmp_path}: the tensors of model.safetensors don't fit config.json: missing ")


@pytest.mark.parametrize("missing", [1, 1000])
def test_weights_that_are_cut_off(tmp_path: Path, missing: int) -> None:
    saved_model(tmp_path)
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:-missing])
    message = refusal(ValueError, CRN.from_pretrained, tmp_path)
    assert message.startswith(f"{tmp_path}: model.safetensors is not a readable safetensors file (")


def test_weights_larger_than_the_network(tmp_path: Path) -> None:
    saved_model(tmp_path)
    os.truncate(tmp_path / "model.safetensors", 2**40)  # takes no room on the disk
    message = refusal(ValueError, CRN.from_pretrained, tmp_path)
    assert message == (
        f"{tmp_path}: model.safetensors has {2**40:,} bytes, more than the {2**20 + 8 * 2_094:,} that it can need."
    )


def test_no_memory_is_taken_for_what_is_refused(client: Client, tmp_path: Path) -> None:
    saved_model(tmp_path)
    client(load_and_measure, str(tmp_path / "nothing"), FileNotFoundError)  # what the first call takes anyway
    config = {**json.loads((tmp_path / "config.json").read_text()), "widths": [4096, 4096]}  # 1.8 GB of weights
    (tmp_path / "config.json").write_text(json.dumps(config))
    message, growth = client(load_and_measure, str(tmp_path), ValueError)
    assert "wrong shape stages.0.conv1.weight [4, 12, 3, 3] instead of [4096, 12, 3, 3]" in message
    assert growth < 100e6
    file = tmp_path / "model.safetensors"
    file.write_bytes(promise("F32", [400_000_000], 1_600_000_000))
    os.truncate(file, file.stat().st_size - 4 + 1_600_000_000)  # all of it is there, without taking room on the disk
    message, growth = client(load_and_measure, str(tmp_path), ValueError)
    assert "wrong shape to_images.bias [400000000] instead of [6]" in message
    assert growth < 100e6
