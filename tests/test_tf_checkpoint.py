"""Checkpoints of TensorFlow: plans of the published ones, parity of the two small ones, and what is refused."""

import json
import random
import re
import resource
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
import torch
from support.command_line import crn
from support.hub_client import refusal

from crn_hub import CRN, ClassSet, LayoutError
from crn_hub.tf_checkpoint import convert, plan_conversion

DATA = Path(__file__).parent / "data"
SINGLE = DATA / "tf_parity" / "single_32x64" / "model.ckpt"
DIVERSE = DATA / "tf_parity" / "diverse_64x128" / "model.ckpt"
MAGIC = bytes.fromhex("57fb808b247547db")


# -- a writer of the format, to make what should be refused ------------------------------------------------------


def varint(number: int) -> bytes:
    head = b""
    while number > 127:
        head += bytes([number & 127 | 128])
        number >>= 7
    return head + bytes([number])


def text(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def masked_crc(content: bytes) -> bytes:
    checksum = google_crc32c.value(content)
    return ((((checksum >> 15) | (checksum << 17)) + 0xA282EAD8) % 2**32).to_bytes(4, "little")


def entry(shape: tuple[int, ...], content: bytes = b"", shard: int = 0, offset: int = 0, **other: int) -> bytes:
    """BundleEntryProto; `other` may say another `dtype` or `size`."""
    dimensions = b"".join(text(2, b"\x08" + varint(size)) for size in shape)
    numbers = {1: other.get("dtype", 1), 3: shard, 4: offset, 5: other.get("size", len(content))}
    return (
        b"".join(varint(field << 3) + varint(number) for field, number in numbers.items())
        + text(2, dimensions)
        + b"\x35"
        + masked_crc(content)
    )


def write_index(
    prefix: Path,
    entries: dict[str, bytes],
    shards: int = 1,
    per_block: int = 1000,
    compression: int = 0,
    endian: int = 0,
) -> None:
    header = b"\x08" + varint(shards) + b"\x10" + varint(endian)
    pairs = [(b"", header), *((name.encode("latin-1"), entries[name]) for name in sorted(entries))]
    table = b""

    def add(pairs: list[tuple[bytes, bytes]]) -> bytes:
        """Adds a block, returns its handle."""
        nonlocal table
        block = b"".join(b"\0" + varint(len(key)) + varint(len(value)) + key + value for key, value in pairs)
        block += bytes(4) + b"\1\0\0\0"
        handle = varint(len(table)) + varint(len(block))
        block += bytes([compression])
        table += block + masked_crc(block)
        return handle

    groups = [pairs[i : i + per_block] for i in range(0, len(pairs), per_block)]
    handles = [(group[-1][0], add(group)) for group in groups]
    footer = add([]) + add(handles)
    Path(f"{prefix}.index").write_bytes(table + footer.ljust(40, b"\0") + MAGIC)


def write_checkpoint(prefix: Path, variables: dict[str, np.ndarray], shards: int = 1, per_block: int = 1000) -> None:
    contents, entries = [b""] * shards, {}
    for number, name in enumerate(sorted(variables)):
        shard, content = number % shards, variables[name].tobytes()
        dtype = {"float32": 1, "float64": 2}[variables[name].dtype.name]
        entries[name] = entry(variables[name].shape, content, shard, len(contents[shard]), dtype=dtype)
        contents[shard] += content
    write_index(prefix, entries, shards, per_block)
    for shard, content in enumerate(contents):
        Path(f"{prefix}.data-{shard:05d}-of-{shards:05d}").write_bytes(content)


def shapes(widths: tuple[int, ...], channels: int = 20, num_images: int = 1) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a network as the published code makes it."""
    result: dict[str, tuple[int, ...]] = {}
    features = 0
    for stage, width in enumerate(widths):
        for number, inputs in ((1, features + channels), (2, width)):
            scope = f"g_{4 * 2**stage}_conv{number}"
            result[f"{scope}/weights"] = (3, 3, inputs, width)
            result[f"{scope}/LayerNorm/gamma"] = result[f"{scope}/LayerNorm/beta"] = (width,)
        features = width
    scope = f"g_{4 * 2 ** (len(widths) - 1)}_conv100"
    return result | {f"{scope}/weights": (1, 1, features, 3 * num_images), f"{scope}/biases": (3 * num_images,)}


def variables(widths: tuple[int, ...] = (3, 2), channels: int = 20, num_images: int = 1) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {
        name: generator.standard_normal(shape, np.float32)
        for name, shape in shapes(widths, channels, num_images).items()
    }


# -- helpers -----------------------------------------------------------------------------------------------------


def copy(prefix: Path, folder: Path) -> tuple[Path, Path]:
    """A checkpoint's files in another folder: (index, data)."""
    files = Path(f"{prefix}.index"), Path(f"{prefix}.data-00000-of-00001")
    return folder / shutil.copy(files[0], folder), folder / shutil.copy(files[1], folder)


# -- the published checkpoints -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "widths", "num_images", "num_parameters"),
    [
        ("256p", (1024,) * 5 + (512, 512), 9, 97_875_483),
        ("GTA", (1024,) * 5 + (512, 512), 9, 97_875_483),
        ("512p", (1024,) * 5 + (512, 512, 128), 1, 98_622_851),
        ("1024p", (1024,) * 5 + (512, 512, 128, 32), 1, 98_674_531),
    ],
)
def test_published_checkpoints_are_planned_from_their_index(
    name: str, widths: tuple[int, ...], num_images: int, num_parameters: int
) -> None:
    plan = plan_conversion(DATA / "tf_index" / name)
    assert plan.widths == widths
    assert (plan.num_images, plan.input_channels, plan.base_size) == (num_images, 20, (4, 8))
    assert plan.num_parameters == num_parameters
    assert {source: plan.variables[source].shape for source in plan.sources.values()} == shapes(widths, 20, num_images)
    assert plan.sources["stages.3.norm2.bias"] == "g_32_conv2/LayerNorm/beta"
    assert plan.sources["stages.3.norm2.weight"] == "g_32_conv2/LayerNorm/gamma"


@pytest.mark.parametrize("prefix", [SINGLE, DIVERSE], ids=["single", "diverse"])
def test_the_command_makes_a_model_with_the_published_operations_outputs(
    prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert crn(monkeypatch, "convert-tf", prefix, tmp_path / "new" / "model") == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    facts = json.loads((prefix.parent / "case.json").read_text())
    what, folder = output.splitlines()
    assert f"{', '.join(map(str, facts['widths']))} channels" in what
    assert f"19 classes, images per layout: {facts['num_outputs']}" in what
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["model"]

    model = CRN.from_pretrained(folder)
    assert model.classes == ClassSet.cityscapes()
    assert model.training_record == {"converted_from": "model.ckpt (TensorFlow checkpoint)"}
    arrays = np.load(prefix.parent / "case.npz")
    ids = torch.from_numpy(arrays["label_ids"].copy())
    ids[ids == 19] = 255  # the unlabelled channel
    with torch.inference_mode():
        images = (model(ids[None])[0] + 1) * 127.5  # (K, 3, H, W)
    assert np.abs(images.permute(0, 2, 3, 1).numpy() - arrays["output"]).max() < 0.002


# -- what else is read -------------------------------------------------------------------------------------------


def test_several_data_files_and_blocks_give_the_same_model(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "one", variables())
    write_checkpoint(tmp_path / "many", variables(), shards=3, per_block=4)
    one, many = convert(plan_conversion(tmp_path / "one")), convert(plan_conversion(tmp_path / "many"))
    for key, tensor in one.state_dict().items():
        assert torch.equal(many.state_dict()[key], tensor)
    Path(tmp_path / "many.data-00001-of-00003").unlink()
    assert "many.data-00001-of-00003: missing" in refusal(
        FileNotFoundError, lambda: convert(plan_conversion(tmp_path / "many"))
    )


def test_a_checkpoint_is_found_by_any_of_its_files_and_by_its_folder(tmp_path: Path) -> None:
    index, data = copy(SINGLE, tmp_path)
    for path in (index, data, tmp_path, str(tmp_path / "model.ckpt")):
        assert plan_conversion(path).prefix == tmp_path / "model.ckpt"


def test_numbers_of_classes(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "twelve", variables(channels=12))
    plan = plan_conversion(tmp_path / "twelve")
    sentence = refusal(LayoutError, lambda: convert(plan))
    assert "twelve" in sentence
    assert "11 classes and unlabelled; say which classes with --classes" in sentence
    assert "19 classes were given" in refusal(LayoutError, lambda: convert(plan, ClassSet.cityscapes()))
    assert convert(plan, ClassSet.camvid()).classes == ClassSet.camvid()
    assert "11 classes were given" in refusal(LayoutError, lambda: convert(plan_conversion(SINGLE), ClassSet.camvid()))


# -- damage ------------------------------------------------------------------------------------------------------


def test_changed_bits_anywhere_in_an_index_are_noticed(tmp_path: Path) -> None:
    index, _ = copy(SINGLE, tmp_path)
    original, randomness = index.read_bytes(), random.Random(0)
    for position in [*range(0, len(original) - 150, 4), *range(len(original) - 150, len(original))]:
        changed = bytearray(original)
        changed[position] ^= 1 << randomness.randrange(8)
        index.write_bytes(changed)
        assert str(index) in refusal(ValueError, lambda: plan_conversion(index))


def test_a_forged_index_is_refused_or_gives_the_same_weights(tmp_path: Path) -> None:
    """Damage with a checksum that fits, so that everything behind the checksum meets it."""
    index, _ = copy(SINGLE, tmp_path)
    original, randomness = index.read_bytes(), random.Random(0)
    size = len(original) - 86  # of the first block: behind it a checksum, two small blocks and the footer
    assert masked_crc(original[: size + 1]) == original[size + 1 : size + 5]
    expected = convert(plan_conversion(SINGLE)).state_dict()
    refused = 0
    for _ in range(1000):
        changed = bytearray(original)
        for _ in range(randomness.randint(1, 3)):
            changed[randomness.randrange(size)] = randomness.choice([0, 1, 127, 128, 255, randomness.randrange(256)])
        changed[size + 1 : size + 5] = masked_crc(bytes(changed[: size + 1]))
        index.write_bytes(changed)
        try:
            state = convert(plan_conversion(index)).state_dict()
        except (ValueError, FileNotFoundError) as error:
            refused += 1
            assert "Unicode" not in type(error).__name__  # noqa: PT017
            assert re.fullmatch(f"{re.escape(str(tmp_path / 'model.ckpt'))}.*\\.", str(error))  # noqa: PT017
        else:
            assert all(torch.equal(state[key], tensor) for key, tensor in expected.items())
    assert 500 < refused < 1000


def test_changed_bytes_of_every_needed_tensor_are_noticed(tmp_path: Path) -> None:
    _, data = copy(SINGLE, tmp_path)
    original, randomness = data.read_bytes(), random.Random(0)
    plan = plan_conversion(tmp_path)
    for name in plan.sources.values():
        offset, size = plan.variables[name].offset, plan.variables[name].size
        for position in (offset, offset + size - 1, offset + randomness.randrange(size)):
            changed = bytearray(original)
            changed[position] ^= 1 << randomness.randrange(8)
            data.write_bytes(changed)
            assert f"{data}: {name} is damaged" in refusal(ValueError, lambda: convert(plan))


def test_truncated_and_empty_files_are_noticed(tmp_path: Path) -> None:
    index, data = copy(SINGLE, tmp_path)
    content = data.read_bytes()
    plan, randomness = plan_conversion(tmp_path), random.Random(0)
    for length in (0, 1, len(content) - 1, *randomness.sample(range(len(content)), 40)):
        data.write_bytes(content[:length])
        assert f"{data}: truncated: {length:,} bytes instead of {len(content):,}" in refusal(
            ValueError, lambda: convert(plan)
        )
    content = index.read_bytes()
    for length in [*range(0, len(content) - 100, 5), *range(len(content) - 100, len(content))]:
        index.write_bytes(content[:length])
        assert f"{index}: not a readable index" in refusal(ValueError, lambda: plan_conversion(tmp_path))


@pytest.mark.parametrize("end", [b"", MAGIC], ids=["noise", "noise with the mark of a table"])
def test_noise_is_not_an_index(tmp_path: Path, end: bytes) -> None:
    randomness = random.Random(0)
    for length in (1, 8, 40, 41, 100, 3000):
        for _ in range(30):
            (tmp_path / "noise.index").write_bytes(randomness.randbytes(length) + end)
            assert "noise.index: not a readable index" in refusal(ValueError, lambda: plan_conversion(tmp_path))


def test_other_kinds_of_the_format_are_refused(tmp_path: Path) -> None:
    entries = {name: entry(shape, size=4) for name, shape in shapes((3, 2)).items()}

    write_index(tmp_path / "a", entries, compression=1)
    assert "a.index: not a readable index of a TensorFlow checkpoint: it is compressed (Snappy)" in refusal(
        ValueError, lambda: plan_conversion(tmp_path / "a")
    )
    write_index(tmp_path / "a", entries, endian=1)
    assert "big-endian" in refusal(ValueError, lambda: plan_conversion(tmp_path / "a"))
    for shards in (0, 100_000, 2**63):
        write_index(tmp_path / "a", entries, shards)
        assert f"it names {shards} data files" in refusal(ValueError, lambda: plan_conversion(tmp_path / "a"))
    write_index(tmp_path / "a", entries | {"g_8_conv1/weights": entry((3, 3, 23, 2), shard=1)})
    assert "g_8_conv1/weights lies in data file 1" in refusal(ValueError, lambda: plan_conversion(tmp_path / "a"))
    slices = entries["g_4_conv2/weights"] + text(7, b"")
    write_index(tmp_path / "a", entries | {"g_4_conv2/weights": slices})
    assert "g_4_conv2/weights is stored in slices" in refusal(ValueError, lambda: plan_conversion(tmp_path / "a"))
    write_index(tmp_path / "a", entries | {"g_4_conv2/weights": entry((1,) * 300)})
    assert "g_4_conv2/weights has 300 dimensions" in refusal(ValueError, lambda: plan_conversion(tmp_path / "a"))


def test_a_table_that_names_one_block_many_times_is_refused_at_once(tmp_path: Path) -> None:
    block = bytes(3_000_000) + (750_000).to_bytes(4, "little") + b"\0"  # no entries, so no names out of order
    table = block + masked_crc(block)
    handle = varint(0) + varint(3_000_004)
    root = b"".join(b"\0\1" + varint(len(handle)) + bytes([i]) + handle for i in range(100)) + b"\0\0\0\0\0"
    footer = varint(len(table)) + varint(len(root) - 1)
    table += root + masked_crc(root)
    (tmp_path / "a.index").write_bytes(table + (footer * 2).ljust(40, b"\0") + MAGIC)
    assert "a block begins at byte 0 instead of 3000009" in refusal(ValueError, lambda: plan_conversion(tmp_path))
    (tmp_path / "a.index").write_bytes(bytes(5_000_000) + MAGIC)
    assert "5,000,008 bytes" in refusal(ValueError, lambda: plan_conversion(tmp_path))


def test_promised_sizes_take_no_memory(tmp_path: Path) -> None:
    """A network of 1.8 G parameters whose index is right in every respect, beside a data file that lacks them."""
    entries, offset = {}, 0
    for name, shape in shapes((4000,) * 7).items():
        size = 4 * int(np.prod(shape, dtype=object))
        entries[name] = entry(shape, offset=offset, size=size)
        offset += size
    write_index(tmp_path / "huge", entries)
    (tmp_path / "huge.data-00000-of-00001").write_bytes(bytes(1000))
    tracemalloc.start()
    plan = plan_conversion(tmp_path)
    sentence = refusal(ValueError, lambda: convert(plan))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert plan.num_parameters > 1.8e9
    assert f"truncated: 1,000 bytes instead of {offset:,}" in sentence
    assert peak < 20e6
    write_index(tmp_path / "huge", {name: entry(shape) for name, shape in shapes((8192,) * 12).items()})
    assert "huge.index: does not describe a CRN" in refusal(ValueError, lambda: plan_conversion(tmp_path))


# -- other networks ----------------------------------------------------------------------------------------------


def test_checkpoints_of_other_networks_are_refused_by_name(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "a", {"dense/kernel": np.zeros((2, 2), np.float32), "dense/bias": np.zeros(2, "f4")})
    assert "a.index: a checkpoint of another network: it holds dense/bias, dense/kernel; only Cascaded Refinement" in (
        refusal(ValueError, lambda: plan_conversion(tmp_path))
    )
    write_checkpoint(tmp_path / "a", {})
    assert "it holds nothing" in refusal(ValueError, lambda: plan_conversion(tmp_path))
    write_checkpoint(tmp_path / "a", variables() | {"d_8_conv1/weights": np.zeros(3, np.float32)})
    assert "it holds d_8_conv1/weights; only the optimiser" in refusal(ValueError, lambda: plan_conversion(tmp_path))
    write_checkpoint(tmp_path / "a", variables() | {"bad\n\xff": np.zeros(3, np.float32)})
    assert r"it holds bad\n\xff; only" in refusal(ValueError, lambda: plan_conversion(tmp_path))


@pytest.mark.parametrize("name", sorted(shapes((3, 2))))
def test_every_variable_of_the_network_must_be_there_with_its_shape_and_type(tmp_path: Path, name: str) -> None:
    right = variables()
    write_checkpoint(tmp_path / "a", right)
    plan_conversion(tmp_path)
    for wrong in (right[name][..., None], right[name].astype(np.float64), right[name][:0]):
        write_checkpoint(tmp_path / "a", right | {name: wrong})
        assert "a.index: " in refusal(ValueError, lambda: plan_conversion(tmp_path))
    write_checkpoint(tmp_path / "a", {other: array for other, array in right.items() if other != name})
    sentence = refusal(ValueError, lambda: plan_conversion(tmp_path))
    assert sentence.endswith(f"a network of 2 modules also needs {name}.")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"g_4_conv2/weights": entry((5, 5, 3, 3))}, "g_4_conv2/weights has the shape [5, 5, 3, 3]"),
        ({"g_8_conv1/weights": entry((3, 3, 24, 2))}, "it must have [3, 3, 23, 2]"),
        (
            {"g_4_conv1/weights": entry((3, 3, 21, 3), size=4 * 9 * 21 * 3)},
            "g_8_conv1/weights has the shape [3, 3, 23, 2]",
        ),
        ({"g_4_conv1/weights": entry((3, 3, 1, 3))}, "takes 1 channel; 1 to 255 classes"),
        ({"g_4_conv1/weights": entry((3, 3, 2**63, 3))}, f"takes {2**63} channels"),
        ({"g_4_conv1/weights": entry((3, 3, 20, 2**60))}, "widths must be whole numbers 1..8192"),
        ({"g_4_conv1/weights": entry((60, 3))}, "has the shape [60, 3], not [height, width, in, out]"),
        ({"g_8_conv100/weights": entry((1, 1, 2, 4))}, "g_8_conv100/weights gives 4 channels"),
        ({"g_8_conv100/weights": entry((1, 1, 2, 0))}, "num_images must be whole numbers 1..256, not 0"),
        ({"g_8_conv100/weights": entry((1, 1, 2, 3), size=25)}, "g_8_conv100/weights has 25 bytes"),
        ({"g_8_conv2/LayerNorm/beta": entry((2,), dtype=19, size=4)}, "g_8_conv2/LayerNorm/beta is float16"),
        ({"g_8_conv2/LayerNorm/beta": entry((2,), dtype=7)}, "is of TensorFlow's type 7"),
        ({"g_32_conv1/weights": entry((3, 3, 22, 2))}, "heights 4, 8, 32; they must double"),
        ({"g_2_conv1/weights": entry((3, 3, 22, 2))}, "heights 2, 4, 8; they must double"),
    ],
)
def test_shapes_that_make_no_network_are_refused(tmp_path: Path, change: dict[str, bytes], message: str) -> None:
    entries = {name: entry(shape, size=4 * int(np.prod(shape))) for name, shape in shapes((3, 2)).items()}
    write_index(tmp_path / "a", entries | change)
    sentence = refusal(ValueError, lambda: plan_conversion(tmp_path))
    assert f"{tmp_path / 'a.index'}: " in sentence
    assert message in sentence


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    broken = variables()
    broken["g_8_conv1/LayerNorm/gamma"][1] = value
    write_checkpoint(tmp_path / "a", broken)
    assert "g_8_conv1/LayerNorm/gamma holds values that are not finite" in refusal(
        ValueError, lambda: convert(plan_conversion(tmp_path))
    )


# -- the command -------------------------------------------------------------------------------------------------


def make_two(folder: Path) -> list[object]:
    for name in ("first", "second"):
        write_checkpoint(folder / name, variables())
    return [folder, folder / "out"]


def make_v1(folder: Path) -> list[object]:
    # V1 is the same kind of table, in one file that bears the prefix's own name.
    (folder / "old.ckpt").write_bytes(Path(f"{SINGLE}.index").read_bytes())
    return [folder / "old.ckpt", folder / "out"]


def make_without_data(folder: Path) -> list[object]:
    shutil.copy(DATA / "tf_index" / "512p.index", folder)
    return [folder / "512p", folder / "out"]


def make_without_index(folder: Path) -> list[object]:
    _, data = copy(SINGLE, folder)
    Path(folder / "model.ckpt.index").unlink()
    return [data, folder / "out"]


def make_damaged(folder: Path) -> list[object]:
    _, data = copy(SINGLE, folder)
    data.write_bytes(bytes(data.stat().st_size))
    return [folder, folder / "out"]


def make_picture(folder: Path) -> list[object]:
    (folder / "a.png").write_bytes(b"\x89PNG")
    return [folder / "a.png", folder / "out"]


def make_twelve(folder: Path) -> list[object]:
    write_checkpoint(folder / "twelve", variables(channels=12))
    return [folder / "twelve", folder / "out"]


def make_output_file(folder: Path) -> list[object]:
    (folder / "a.txt").write_text("in the way")
    return [SINGLE, folder / "a.txt"]


def make_output_full(folder: Path) -> list[object]:
    (folder / "full").mkdir()
    (folder / "full" / "config.json").write_text("{}")
    return [SINGLE, folder / "full"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_two, "2 checkpoints (first.index, second.index); name one of them."),
        (make_v1, "old.ckpt: a checkpoint of TensorFlow's V1 format; restore it in TensorFlow and save it with"),
        (make_without_data, "512p.data-00000-of-00001: missing"),
        (make_without_index, "model.ckpt.index: no such file"),
        (make_damaged, "model.ckpt.data-00000-of-00001: g_4_conv1/weights is damaged"),
        (make_picture, "a.png: not a TensorFlow checkpoint"),
        (make_twelve, "--classes NAME|FILE"),
        (lambda folder: [*make_twelve(folder), "--classes", "cityscapes"], "19 classes were given"),
        (lambda folder: [SINGLE, folder / "out", "--classes", folder / "no.json"], "no.json: no such file"),
        (make_output_file, "a.txt: a file, not a folder"),
        (make_output_full, "full: the folder is not empty"),
        (lambda folder: [folder / "none", folder / "out"], "none.index: no such file"),
        (lambda folder: [folder, folder / "out"], "no checkpoint in this folder"),
        (lambda folder: [SINGLE], "OUTPUT"),
    ],
)
def test_bad_input_ends_with_one_line_and_nothing_written(
    make: Callable[[Path], list[object]],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert crn(monkeypatch, "convert-tf", *arguments) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.strip().splitlines()
    assert message in line
    assert captured.out == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_a_failure_while_writing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))  # the weights take 86 kB
    try:
        code = crn(monkeypatch, "convert-tf", SINGLE, tmp_path / "model")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "File too large" in line
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_filled_and_the_classes_of_a_file_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, output = make_twelve(tmp_path)
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    (tmp_path / "classes.json").write_text(json.dumps(ClassSet.camvid().to_list()))
    assert crn(monkeypatch, "convert-tf", checkpoint, ".", "--classes", tmp_path / "classes.json") == 0
    assert Path("model.safetensors").is_file()
    assert CRN.from_pretrained(str(output)).classes == ClassSet.camvid()
