"""Segmentation networks: the small one, trained and saved and loaded; checkpoints of transformers; refusals."""

import json
import shutil
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from support.command_line import crn
from support.data_folders import bad_folder, write_folder
from support.hub_client import Client
from support.hub_server import HubServer
from transformers import (
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    Mask2FormerImageProcessor,
    SegformerConfig,
    SegformerForImageClassification,
    SegformerForSemanticSegmentation,
    SegformerImageProcessor,
    SwinConfig,
)

from crn_hub import ClassSet
from crn_hub.box import SEGMENTER_IN_THE_BOX
from crn_hub.classes import read_layout
from crn_hub.data import PairDataset, scene_rows
from crn_hub.segmentation import SmallSegmenter, load_segmenter, segment
from crn_hub.segmentation.segmenter_training import train_segmenter, validate_segmenter

CAMVID = ClassSet.camvid()


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("pairs") / "streets", 16)


@pytest.fixture(scope="module")
def trained(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of a minute's training, by the command."""
    folder = tmp_path_factory.mktemp("segmenter") / "small"
    with pytest.MonkeyPatch.context() as patch:
        options = ["--size", 32, 64, "--steps", 40, "--seed", 1]
        assert crn(patch, "train-segmenter", "--dataset", streets, "--output", folder, *options) == 0
    return folder


@pytest.fixture(scope="module")
def segformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of transformers with Cityscapes-like labels and random weights."""
    folder = tmp_path_factory.mktemp("segformer") / "tiny-segformer"
    labels = ["road", "sidewalk", "vegetation", "sky", "truck", "Car", "zebra", "column pole, post"]
    torch.manual_seed(0)
    config = SegformerConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[4, 4, 8, 8],
        num_attention_heads=[1, 1, 1, 1],
        decoder_hidden_size=8,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )
    SegformerForSemanticSegmentation(config).save_pretrained(folder)
    SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


def test_training_learns() -> None:
    rows, held_out, classes = scene_rows(24, (64, 128))
    torch.manual_seed(0)
    segmenter = SmallSegmenter(classes, (64, 128))
    unseen = PairDataset(held_out, classes, (64, 128))
    before = validate_segmenter(segmenter.eval(), unseen)["pixel_accuracy"]
    train_segmenter(segmenter, PairDataset(rows, classes, (64, 128), cache_bytes=2**24), 80, 0, torch.device("cpu"))
    after = validate_segmenter(segmenter, unseen)
    assert after["pixel_accuracy"] > max(before + 0.2, 0.5)
    found = [iou for iou in after["class_iou"].values() if iou is not None]
    assert after["miou"] == pytest.approx(np.mean(found))


def test_what_training_leaves(trained: Path) -> None:
    config = json.loads((trained / "config.json").read_text())
    assert config["size"] == [32, 64]
    assert ClassSet.from_list(config["classes"]) == CAMVID
    scores = config["training"]["validation"]
    assert set(scores["class_iou"]) == set(CAMVID.names)
    assert config["training"]["dataset"] == "streets"
    assert sorted(p.name for p in trained.iterdir()) == ["config.json", "model.safetensors"]


def test_training_is_a_function_of_its_seed(streets: Path, trained: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        options = ["--size", 32, 64, "--steps", 40, "--seed", 1]
        assert crn(patch, "train-segmenter", "--dataset", streets, "--output", tmp_path / "again", *options) == 0
    one, other = (load_segmenter(str(folder), CAMVID).state_dict() for folder in (trained, tmp_path / "again"))
    assert all(torch.allclose(one[key], other[key], atol=1e-4) for key in one)


def test_the_loaded_network_answers_as_the_saved_one(trained: Path) -> None:
    segmenter = load_segmenter(str(trained), CAMVID)
    assert segmenter.name == "small"
    assert not any(p.requires_grad for p in segmenter.parameters())
    images = torch.rand(2, 3, 48, 96, generator=torch.Generator().manual_seed(0)) * 255
    scores, features = segmenter(images)
    assert scores.shape == (2, 12, 48, 96)
    assert features.shape == (2, 960)
    assert (scores[:, 11] == -torch.inf).all()
    ids, _ = segmenter.label(images)
    assert ids.dtype == torch.uint8
    assert torch.equal(ids.long(), scores.argmax(1))


def test_classes_are_matched_by_name(trained: Path) -> None:
    """CamVid's network answers in Cityscapes' classes; those it doesn't have it cannot find."""
    cityscapes = ClassSet.cityscapes()
    segmenter = load_segmenter(str(trained), cityscapes)
    own = load_segmenter(str(trained), CAMVID)
    images = torch.rand(1, 3, 32, 64, generator=torch.Generator().manual_seed(0)) * 255
    expected = CAMVID.translation_to(cityscapes)[own.label(images)[0].numpy()]
    assert np.array_equal(segmenter.label(images)[0].numpy(), expected)
    known = {name for name, known in zip(cityscapes.names, segmenter.known, strict=True) if known}
    assert {"road", "sky", "vegetation"} <= known
    assert "train" not in known


def test_labels_of_transformers_are_matched(segformer: Path) -> None:
    segmenter = load_segmenter(str(segformer), CAMVID)
    assert segmenter.name == "tiny-segformer"
    known = [name for name, known in zip(CAMVID.names, segmenter.known, strict=True) if known]
    assert known == ["sky", "pole", "road", "pavement", "tree", "car"]
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 255
    scores, features = segmenter(images)
    assert features.shape == (2, 8)
    processor = SegformerImageProcessor.from_pretrained(segformer)
    plain = SegformerForSemanticSegmentation.from_pretrained(segformer).eval()
    pixels = processor(list(images.round().byte()), return_tensors="pt", input_data_format="channels_first")
    with torch.inference_mode():
        logits = plain(**pixels).logits
    logits = torch.nn.functional.interpolate(logits, (64, 64), mode="bilinear")
    assert torch.allclose(scores[:, CAMVID.names.index("car")], logits[:, 4:6].amax(1), atol=1e-4)
    assert torch.allclose(scores[:, 11], logits[:, 6], atol=1e-4)  # no class has stripes
    best = segmenter.label(images)[0]
    assert set(best.unique().tolist()) <= {0, 2, 3, 4, 5, 8, 255}


@pytest.fixture(scope="module")
def mask2former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the kind that finds masks and what they are, with random weights and a processor that pads."""
    folder = tmp_path_factory.mktemp("mask2former") / "tiny-mask2former"
    labels = ["road", "sky", "car", "zebra"]
    torch.manual_seed(0)
    config = Mask2FormerConfig(
        backbone_config=SwinConfig(
            image_size=64,
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 1, 1],
            window_size=4,
            out_features=["stage1", "stage2", "stage3", "stage4"],
        ),
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        dim_feedforward=32,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=1,
        num_queries=5,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )
    Mask2FormerForUniversalSegmentation(config).save_pretrained(folder)
    Mask2FormerImageProcessor(do_resize=False, size_divisor=64).save_pretrained(folder)
    return folder


def test_networks_that_find_masks(mask2former: Path) -> None:
    """As transformers itself makes label maps of them, where it need not pad."""
    segmenter = load_segmenter(str(mask2former), CAMVID)
    assert [name for name, known in zip(CAMVID.names, segmenter.known, strict=True) if known] == ["sky", "road", "car"]
    images = torch.rand(1, 3, 64, 128, generator=torch.Generator().manual_seed(0)) * 255
    plain = Mask2FormerForUniversalSegmentation.from_pretrained(mask2former).eval()
    processor = Mask2FormerImageProcessor.from_pretrained(mask2former)
    pixels = processor(list(images.round().byte()), return_tensors="pt", input_data_format="channels_first")
    with torch.inference_mode():
        expected = processor.post_process_semantic_segmentation(plain(**pixels), target_sizes=[(64, 128)])[0]
    ids, features = segmenter.label(images)
    assert (torch.tensor([3, 0, 8, 255])[expected] == ids[0]).float().mean() > 0.98  # another way of enlarging
    assert features.shape == (1, 64)
    padded = images[..., :52, :100].contiguous()
    scores, _ = segmenter.scores_of_labels(padded)
    assert scores.shape[-2:] == (13, 25)  # a quarter of 52 x 100, without the rim


def known_classes(name: str) -> int:
    return sum(load_segmenter(name, CAMVID).known)


def test_the_hub_has_segmenters(trained: Path, segformer: Path, client: Client, hub: HubServer) -> None:
    for name, folder in (("org/small", trained), ("org/segformer", segformer)):
        hub.commit("models", name, {p.name: p.read_bytes() for p in folder.iterdir()})
    assert client(known_classes, "org/small") == 11
    assert client(known_classes, "org/segformer") == 6
    with pytest.raises(FileNotFoundError, match="org/nothing: no such folder, and no such repo"):
        client(known_classes, "org/nothing")


# -- refusals ----------------------------------------------------------------------------------------


def test_a_folder_that_is_not_a_segmenter(trained: Path, segformer: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no config\.json"):
        load_segmenter(str(tmp_path), CAMVID)
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(ValueError, match="not readable JSON"):
        load_segmenter(str(tmp_path), CAMVID)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match="cannot be read as a network for semantic segmentation"):
        load_segmenter(str(tmp_path), CAMVID)
    shutil.copy(trained / "config.json", tmp_path)
    (tmp_path / "model.safetensors").write_bytes((trained / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"model\.safetensors does not fit the network"):
        load_segmenter(str(tmp_path), CAMVID)
    config = json.loads((trained / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "size": [32]}))
    with pytest.raises(ValueError, match=r"config\.json does not describe a segmentation network"):
        load_segmenter(str(tmp_path), CAMVID)


def test_pickled_weights_are_not_read(segformer: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(segformer, tmp_path / "pickled")
    torch.save(SegformerForSemanticSegmentation.from_pretrained(folder).state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="cannot be read as a network"):
        load_segmenter(str(folder), CAMVID)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_works_as_full(segformer: Path, tmp_path: Path, kind: torch.dtype) -> None:
    folder = shutil.copytree(segformer, tmp_path / "half")
    SegformerForSemanticSegmentation.from_pretrained(segformer).to(kind).save_pretrained(folder)
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 255
    half, full = (load_segmenter(str(path), CAMVID).label(images)[0] for path in (folder, segformer))
    assert (half == full).float().mean() > 0.95


def test_a_network_without_its_last_layer_is_refused(segformer: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(segformer, tmp_path / "headless")
    SegformerForImageClassification(SegformerConfig.from_pretrained(segformer)).save_pretrained(folder)
    with pytest.raises(ValueError, match="headless: not trained for semantic segmentation: it lacks the weights"):
        load_segmenter(str(folder), CAMVID)


def test_a_network_of_other_things(trained: Path) -> None:
    with pytest.raises(ValueError, match="small: none of its labels is one of the classes cup, plate"):
        load_segmenter(str(trained), ClassSet(["cup", "plate"], [(1, 2, 3), (4, 5, 6)]))


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--steps", 0], 2, 'Invalid value "0" for --steps. Must be >= 1'),
        (["--size", 8, 16], 2, "each side must be at least 32 pixels"),
        (["--classes", "nowhere.json"], 2, "nowhere.json: no such file"),
        (["--label-column", "mask"], 2, "no column 'mask'; there are image, label"),
    ],
)
def test_what_training_refuses(
    streets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list,
    code: int,
    said: str,
) -> None:
    arguments = ["train-segmenter", "--dataset", streets, "--output", tmp_path / "out", *options]
    assert crn(monkeypatch, *arguments) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_ten_steps_are_a_run(streets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the warm-up is one step."""
    options = ["--size", 32, 64, "--steps", 10]
    assert crn(monkeypatch, "train-segmenter", "--dataset", streets, "--output", tmp_path / "out", *options) == 0


def test_bad_rows_are_found_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train-segmenter", "--dataset", bad_folder(tmp_path / "bad"), "--output", tmp_path / "out"]
    arguments += ["--size", 32, 64, "--steps", 2]
    assert crn(monkeypatch, *arguments) == 2
    said = capsys.readouterr().err
    assert "held-out row 1 (image-19.png), column image: not readable" in said
    assert "--skip-bad-rows leaves such rows out" in said
    assert "training the segmenter" not in said
    assert crn(monkeypatch, *arguments, "--skip-bad-rows") == 0


def test_labels_are_read_as_in_training_and_what_they_were_taken_for_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_folder(tmp_path / "data")
    arguments = ["train-segmenter", "--dataset", data, "--size", 32, 64, "--steps", 2, "--output"]
    assert crn(monkeypatch, *arguments, tmp_path / "plain") == 0
    said = capsys.readouterr().out
    assert "trained on: train, 18 rows; held out: last rows, 2 rows" in said
    assert "labels of 18 rows, read as ids" in said
    assert "warning: ids 0 and 11 both occur" in said
    assert crn(monkeypatch, *arguments, tmp_path / "said", "--ignore-label", 11) == 0
    assert "warning" not in capsys.readouterr().out
    assert crn(monkeypatch, *arguments, tmp_path / "x", "--reduce-labels", "--skip-bad-rows") == 0
    assert "warning" not in capsys.readouterr().out  # eleven classes from 1 on
    assert crn(monkeypatch, *arguments, tmp_path / "y", "--layout-classes", "nowhere.json") == 2
    assert "nowhere.json: no such file" in capsys.readouterr().err
    assert not (tmp_path / "y").exists()


def test_labels_must_say_something(
    streets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blank = Image.fromarray(np.full((36, 48), 255, np.uint8))
    rows = datasets.load_dataset(str(streets))["train"].map(lambda row: {"label": blank})
    rows.save_to_disk(tmp_path / "blank")
    shutil.copy(streets / "classes.json", tmp_path / "blank")
    arguments = ["train-segmenter", "--dataset", tmp_path / "blank", "--output", tmp_path / "out"]
    assert crn(monkeypatch, *arguments) == 2
    assert "no pixel of the held-out rows is labelled" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_with_files_is_not_written_into(
    streets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    assert crn(monkeypatch, "train-segmenter", "--dataset", streets, "--output", tmp_path) == 2
    assert "the folder is not empty" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


# -- layouts of photographs --------------------------------------------------------------------------


def photograph(file: Path, size: tuple[int, int] = (96, 60)) -> Image.Image:
    levels = np.random.default_rng(5).integers(0, 256, (6, 8, 3), np.uint8)
    picture = Image.fromarray(levels).resize(size, Image.Resampling.BICUBIC)
    picture.save(file)
    with Image.open(file) as saved:
        saved.load()
    return saved


def test_the_network_in_the_box_labels_photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = photograph(tmp_path / "street.jpg")
    ids = segment(picture)
    assert (ids.shape, ids.dtype) == ((60, 96), np.uint8)
    assert set(np.unique(ids)) <= {*range(13), 255}
    to_city = ClassSet.streets().translation_to(ClassSet.cityscapes())
    found = segment(tmp_path / "street.jpg", ClassSet.cityscapes())
    assert set(np.unique(found)) <= {*to_city.tolist()}
    np.testing.assert_array_equal(segment(np.array(picture)), ids)

    photograph(tmp_path / "other.png", (40, 80))
    files = [tmp_path / "street.jpg", tmp_path / "other.png"]
    assert crn(monkeypatch, "segment", *files, "--output", tmp_path / "layouts") == 0
    with Image.open(tmp_path / "layouts" / "street.png") as layout:
        assert layout.mode == "P"
        np.testing.assert_array_equal(read_layout(layout, ClassSet.streets()).ids, ids)
    with Image.open(tmp_path / "layouts" / "other.png") as other:
        assert other.size == (40, 80)
    arguments = ["segment", files[0], "--classes", "cityscapes", "--output", tmp_path / "city"]
    assert crn(monkeypatch, *arguments) == 0
    np.testing.assert_array_equal(read_layout(tmp_path / "city" / "street.png", ClassSet.cityscapes()).ids, found)


def test_the_network_in_the_box_is_small_and_says_what_it_is() -> None:
    assert sum(file.stat().st_size for file in SEGMENTER_IN_THE_BOX.iterdir()) < 3_000_000
    config = json.loads((SEGMENTER_IN_THE_BOX / "config.json").read_text())
    card = (SEGMENTER_IN_THE_BOX / "README.md").read_text()
    assert ClassSet.from_list(config["classes"]) == ClassSet.streets()
    assert f"{config['training']['validation']['miou']:.3f}" in card
    assert "non-commercial research" in card


def test_a_small_network_is_saved_and_loaded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = SmallSegmenter(CAMVID, (32, 64), architecture="lraspp_mobilenet_v3_small").eval()
    assert sum(p.numel() for p in network.parameters()) < 1_100_000
    network.save_pretrained(tmp_path / "small")
    again = load_segmenter(str(tmp_path / "small"), CAMVID)
    images = torch.rand(1, 3, 40, 50) * 255
    assert torch.equal(again(images)[0], network(images)[0])
    assert len(network.feature_maps(images)) > 1


def test_photographs_that_cannot_be_segmented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], segformer: Path
) -> None:
    photograph(tmp_path / "street.png")
    out = tmp_path / "out"

    def said(*arguments: object) -> str:
        assert crn(monkeypatch, "segment", *arguments) == 2
        return capsys.readouterr().err

    assert "gone.png: no such file" in said(tmp_path / "gone.png", "--output", out)
    assert "in the output folder and could be overwritten" in said(tmp_path / "street.png", "--output", tmp_path)
    (tmp_path / "other").mkdir()
    photograph(tmp_path / "other" / "street.jpg")
    twice = [tmp_path / "street.png", tmp_path / "other" / "street.jpg"]
    assert "two photographs would both be written as street.png" in said(*twice, "--output", out)
    (tmp_path / "none.jpg").write_bytes(b"none")
    for files in ([tmp_path / "none.jpg"], [tmp_path / "street.png", tmp_path / "none.jpg"]):
        assert "none.jpg: not readable as a photograph" in said(*files, "--output", out)
    assert "other is a folder; give the photographs in it, such as" in said(tmp_path / "other", "--output", out)
    with pytest.raises(TypeError, match="classes must be a ClassSet, such as that of a model"):
        segment(tmp_path / "street.png", "camvid")  # type: ignore[arg-type]
    assert "say which classes" in said(tmp_path / "street.png", "--segmenter", segformer, "--output", out)
    assert not out.exists()
    assert crn(monkeypatch, "segment", tmp_path / "street.png", "--segmenter", segformer, "--classes", "cityscapes",
               "--output", out) == 0  # fmt: skip
