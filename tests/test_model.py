"""The network: parity with the published operations, shapes, inputs, growing, saving."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.layouts import random_ids

from crn_hub import CRN, ClassSet, LayoutError
from crn_hub.classes import LayoutWarning
from crn_hub.networks import bounds
from crn_hub.networks.cascade import DEMO_WIDTHS
from crn_hub.networks.refinement_module import RefinementModule
from crn_hub.tf_checkpoint import convert, plan_conversion

PARITY = Path(__file__).parent / "data" / "tf_parity"
SMALL = (8, 6, 4)  # 16 x 32


@pytest.fixture
def small() -> CRN:
    torch.manual_seed(0)
    return CRN(ClassSet.camvid(), SMALL, num_images=2).eval()


@pytest.mark.parametrize("case", ["single_32x64", "diverse_64x128"])
def test_outputs_of_the_published_operations_are_reproduced(case: str) -> None:
    facts = json.loads((PARITY / case / "case.json").read_text())
    arrays = np.load(PARITY / case / "case.npz")
    model = convert(plan_conversion(PARITY / case / "model.ckpt"))
    assert (list(model.widths), model.num_images) == (facts["widths"], facts["num_outputs"])
    ids = arrays["label_ids"].copy()
    ids[ids == 19] = 255
    with torch.inference_mode():
        images = (model(torch.from_numpy(ids)[None])[0] + 1) * 127.5  # (K, 3, H, W)
    assert np.abs(images.permute(0, 2, 3, 1).numpy() - arrays["output"]).max() < 0.002


def test_images_start_alike_but_not_the_same() -> None:
    torch.manual_seed(2)
    model = CRN(ClassSet.camvid(), (8, 8, 8), num_images=4)
    images = model(torch.zeros(1, 16, 32, dtype=torch.uint8))[0]
    between = (images[1:] - images[:1]).abs().mean(dim=(1, 2, 3))
    size = (images - images.mean()).abs().mean()
    assert (between > 0.005 * size).all()
    assert (between < 0.4 * size).all()


def test_the_papers_network_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        paper = CRN(ClassSet.cityscapes(), (1024,) * 5 + (512, 512), num_images=9)
        larger = CRN(ClassSet.cityscapes(), (1024,) * 5 + (512, 512, 128, 32))
    assert paper.num_parameters == 97_875_483  # counted in the published 256p checkpoint
    assert paper.size == (256, 512)
    assert larger.num_parameters == 98_674_531
    assert larger.size == (1024, 2048)


def test_the_demo_network_is_within_its_budget() -> None:
    model = CRN(ClassSet.camvid())
    assert model.widths == DEMO_WIDTHS
    assert model.size == (256, 512)
    assert model.gflop < 15
    assert model.num_parameters * 2 < 12e6


def test_shapes_and_base_size() -> None:
    model = CRN(ClassSet.camvid(), (4, 4, 4, 4), base_size=(3, 5), num_images=3)
    assert model.size == (24, 40)
    assert model(random_ids(model, batch=2)).shape == (2, 3, 3, 24, 40)


def test_refinement_module_normalises_each_sample_over_all_its_channels() -> None:
    module = RefinementModule(3, 5)
    normalised: list[torch.Tensor] = []
    module.norm2.register_forward_hook(lambda _module, _inputs, output: normalised.append(output.detach().clone()))
    module(torch.randn(2, 3, 8, 8) * 7 + 3)
    assert torch.allclose(normalised[0].mean(dim=(1, 2, 3)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(normalised[0].std(dim=(1, 2, 3)), torch.ones(2), atol=0.01)
    assert module.conv1.bias is None


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_integer_types_give_the_same_images(small: CRN, dtype: torch.dtype) -> None:
    ids = random_ids(small)
    assert torch.equal(small(ids.to(dtype)), small(ids))


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (torch.full((1, 16, 32), 11), r"ids \[11\] are outside 0\.\.10 and not 255"),
        (torch.full((1, 16, 32), -1), r"ids \[-1\] are outside 0\.\.10 and not 255"),
        (torch.zeros(1, 16, 32), r"of an integer type, not torch\.float32"),
        (torch.zeros(1, 16, 30, dtype=torch.long), r"the shape \(batch, 16, 32\), not \(1, 16, 30\)"),
        (torch.zeros(16, 32, dtype=torch.long), r"the shape \(batch, 16, 32\), not \(16, 32\)"),
    ],
)
def test_unfit_ids_are_refused(small: CRN, ids: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(ids)
    assert small(torch.full((1, 16, 32), 10)).shape == (1, 2, 3, 16, 32)


def test_unlabelled_has_a_channel_of_its_own(small: CRN) -> None:
    sky, nothing = torch.zeros(1, 16, 32, dtype=torch.long), torch.full((1, 16, 32), 255)
    assert not torch.equal(small(sky), small(nothing))


@pytest.mark.parametrize(
    "arguments",
    [
        {"widths": ()},
        {"widths": (8, 0)},
        {"widths": (8, 10**9)},
        {"widths": "888"},
        {"widths": (8.5, 8)},
        {"base_size": (4,)},
        {"base_size": (4, -8)},
        {"base_size": (4096, 4096), "widths": (4, 4, 4)},
        {"widths": (2048,), "base_size": (1024, 1024)},
        {"widths": (8192, 8192, 8192)},
        {"num_images": 0},
        {"num_images": True},
    ],
)
def test_impossible_networks_are_refused(arguments: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        CRN(ClassSet.camvid(), **arguments)


def test_bounds_count_what_the_network_has(monkeypatch: pytest.MonkeyPatch) -> None:
    paper = {"widths": (1024,) * 5 + (512, 512), "num_images": 9}
    monkeypatch.setattr(bounds, "MAX_PIXELS", 256 * 512)
    monkeypatch.setattr(bounds, "MAX_FEATURES", (512 + 20) * 256 * 512)
    monkeypatch.setattr(bounds, "MAX_PARAMETERS", 97_875_483)
    with torch.device("meta"):
        CRN(ClassSet.cityscapes(), **paper)  # into the last module go the features before it and the layout
        for bound in ("MAX_PIXELS", "MAX_FEATURES", "MAX_PARAMETERS"):
            with monkeypatch.context() as patch:
                limit = getattr(bounds, bound)
                patch.setattr(bounds, bound, limit - 1)
                with pytest.raises(ValueError, match=rf" {limit:,} .*; at most {limit - 1:,} are allowed\."):
                    CRN(ClassSet.cityscapes(), **paper)


@pytest.mark.parametrize(("finer", "num_images"), [((), 9), ((128,), 1), ((128, 32), 1)], ids=["256p", "512p", "1024p"])
def test_the_papers_networks_are_within_the_bounds(finer: tuple[int, ...], num_images: int) -> None:
    with torch.device("meta"):
        CRN(ClassSet.cityscapes(), (1024,) * 5 + (512, 512, *finer), num_images=num_images)


def test_the_network_has_no_other_ways_to_load_or_publish_than_its_own() -> None:
    assert [name for name in dir(CRN) if "pretrained" in name or "hub" in name] == [
        "from_pretrained",
        "push_to_hub",
        "save_pretrained",
    ]


def test_synthesize_takes_file_image_and_array(small: CRN, tmp_path: Path) -> None:
    ids = random_ids(small, seed=3)[0].numpy().astype(np.uint8)
    file = tmp_path / "layout.png"
    small.classes.to_image(ids).save(file)
    from_array = small.synthesize(ids)
    assert len(from_array) == 2
    assert from_array[0].size == (32, 16)
    assert from_array[0].mode == "RGB"
    assert [p.tobytes() for p in small.synthesize(Image.fromarray(ids))] == [p.tobytes() for p in from_array]
    colours = Image.fromarray(small.classes.to_colors(ids))
    for other in (file, str(file), small.classes.to_image(ids), colours, np.asarray(colours)):
        with pytest.warns(LayoutWarning, match="void colours in .* were treated as unlabelled"):
            photographs = small.synthesize(other)
        assert [p.tobytes() for p in photographs] == [p.tobytes() for p in from_array]


def test_synthesize_warns_of_what_it_translates(small: CRN) -> None:
    sky_and_void = np.array([[(70, 130, 180), (0, 0, 0)]], np.uint8)  # of Cityscapes
    with pytest.warns(LayoutWarning) as warned:
        small.synthesize(sky_and_void)
    assert any("void colours in" in str(warning.message) for warning in warned)
    assert any("translated by name" in str(warning.message) for warning in warned)


def test_photographs_are_what_the_network_says(small: CRN) -> None:
    ids = random_ids(small, seed=4)
    expected = ((small(ids)[0, 1] + 1) * 127.5).clamp(0, 255).round().permute(1, 2, 0)
    photograph = np.asarray(small.synthesize(ids[0].numpy())[1])
    assert np.array_equal(photograph, expected.detach().numpy().astype(np.uint8))


def test_photographs_come_back_at_the_layouts_size_by_default(small: CRN) -> None:
    ids = np.zeros((50, 70), np.uint8)
    assert small.synthesize(ids)[0].size == (70, 50)
    assert small.synthesize(ids, size=(20, 30))[0].size == (30, 20)
    assert len(small.synthesize(ids, num_images=1)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_images": 0},
        {"num_images": 3},
        {"num_images": 1.0},
        {"size": (0, 5)},
        {"size": (5, 10**9)},
        {"size": 5},
        {"size": (5, 5, 5)},
    ],
)
def test_synthesize_refuses_numbers_out_of_range(small: CRN, wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        small.synthesize(np.zeros((16, 32), np.uint8), **wrong)


def test_synthesize_refuses_a_layout_of_other_classes(small: CRN) -> None:
    with pytest.raises(LayoutError, match=r"layout: id 11 \(512 pixels\)"):
        small.synthesize(np.full((16, 32), 11, np.uint8))
    assert len(small.synthesize(np.full((16, 32), 10, np.uint8))) == 2


def test_growing_keeps_the_coarse_modules() -> None:
    classes = ClassSet.camvid()
    coarse, fine = CRN(classes, (6, 5)), CRN(classes, (6, 5, 4))
    fresh = fine.stages[2].conv1.weight.clone()
    assert fine.grow_from(coarse) == 2
    for key, tensor in coarse.stages.state_dict().items():
        assert torch.equal(fine.stages.state_dict()[key], tensor)
    assert torch.equal(fine.stages[2].conv1.weight, fresh)
    again = CRN(classes, (6, 5, 4))
    again.grow_from(fine)
    assert torch.equal(again.to_images.weight, fine.to_images.weight)


def test_several_images_start_near_the_one_that_there_was() -> None:
    classes = ClassSet.camvid()
    one, three = CRN(classes, (6, 5)), CRN(classes, (6, 5), num_images=3)
    with torch.no_grad():
        one.to_images.weight.mul_(10)  # as after training
    three.grow_from(one)
    before, images = one(random_ids(one))[0], three(random_ids(one))[0]
    assert torch.allclose(images[:1], before, atol=1e-6)
    apart = (images - before).abs().mean(dim=(1, 2, 3))
    assert (apart[1:] > 1e-3).all()
    assert (apart[1:] < 0.1 * (before - before.mean()).abs().mean()).all()
    two = CRN(classes, (6, 5), num_images=2)
    fresh = two.to_images.weight.clone()
    two.grow_from(three)
    assert torch.equal(two.to_images.weight, fresh)


def test_growing_onto_other_classes_keeps_what_has_the_same_name() -> None:
    """Road has another id, "person" is an alias of pedestrian, and a new class starts fresh."""
    old = ClassSet(["sky", "road", "pedestrian"], [(1, 1, 1), (2, 2, 2), (3, 3, 3)], {"pedestrian": ["person"]})
    new = ClassSet(["road", "river", "Person", "sky"], [(1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 4, 4)])
    coarse, fine = CRN(old, (6, 5)), CRN(new, (6, 5))
    fresh = [stage.conv1.weight.clone() for stage in fine.stages]
    assert fine.grow_from(coarse) == 2
    for before, stage, start, at_first in zip((0, 6), fine.stages, coarse.stages, fresh, strict=True):
        kernel, source = stage.conv1.weight, start.conv1.weight
        assert torch.equal(kernel[:, :before], source[:, :before])
        assert torch.equal(kernel[:, before + 0], source[:, before + 1])  # road
        assert torch.equal(kernel[:, before + 1], at_first[:, before + 1])  # river
        assert torch.equal(kernel[:, before + 2], source[:, before + 2])  # person
        assert torch.equal(kernel[:, before + 3], source[:, before + 0])  # sky
        assert torch.equal(kernel[:, -1], source[:, -1])  # unlabelled
        assert torch.equal(stage.conv2.weight, start.conv2.weight)
    ids = torch.zeros(1, 8, 16, dtype=torch.long)
    assert torch.allclose(fine(ids), coarse(ids + 1), atol=1e-5)  # all road


def test_a_part_starts_with_the_weights_of_its_whole() -> None:
    """So that a window, at first, is the wall that it was."""
    streets, camvid = ClassSet.streets(), ClassSet.camvid()
    coarse, fine = CRN(camvid, (6, 5)), CRN(streets, (6, 5))
    fine.grow_from(coarse)
    for before, stage, start in zip((0, 6), fine.stages, coarse.stages, strict=True):
        for part in (11, 12):
            assert torch.equal(stage.conv1.weight[:, before + part], start.conv1.weight[:, before + 1])
    ids = random_ids(fine)
    as_before = torch.from_numpy(streets.translation_to(camvid)[ids.numpy()])
    assert torch.allclose(fine(ids), coarse(as_before), atol=1e-5)


def test_gradient_checkpointing_changes_no_gradient() -> None:
    torch.manual_seed(0)
    model = CRN(ClassSet.camvid(), (6, 5, 4))
    ids = random_ids(model)
    gradients = []
    for model.gradient_checkpointing in (False, True):
        model.zero_grad()
        model(ids).square().mean().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_only_the_last_modules_train() -> None:
    model = CRN(ClassSet.camvid(), (6, 5, 4, 3))
    model.train_only_last(2)
    model(random_ids(model)).mean().backward()
    trained = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert {name.split(".")[0] + name.split(".")[1] for name in trained} == {
        "stages2", "stages3", "to_imagesweight", "to_imagesbias"
    }  # fmt: skip
    with pytest.raises(ValueError, match="the last 5 modules cannot be trained: this network has 4"):
        model.train_only_last(5)


def test_growing_refuses_what_does_not_fit() -> None:
    model = CRN(ClassSet.camvid(), (6, 5, 4))
    with pytest.raises(ValueError, match="widths"):
        model.grow_from(CRN(ClassSet.camvid(), (6, 7)))
    assert model.grow_from(CRN(ClassSet.camvid(), (6, 5), base_size=(4, 4))) == 2  # no weight depends on the shape


def test_a_folder_gives_the_model_back(small: CRN, tmp_path: Path) -> None:
    small.training_record = {"dataset": "a test", "settings": {"seed": 3}, "loss_weights": {"input": 0.5}}
    small.save_pretrained(tmp_path / "model")
    again = CRN.from_pretrained(tmp_path / "model")
    ids = random_ids(small)
    assert torch.equal(again(ids), small(ids))
    assert (again.classes, again.widths, again.base_size) == (small.classes, small.widths, small.base_size)
    assert again.training_record == small.training_record
    assert not again.training
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "swatches",
        "training.json",
    ]
    card = (tmp_path / "model" / "README.md").read_text()
    for name in small.classes.names:
        assert name in card


def test_saving_renews_a_card_unless_people_edited_it(small: CRN, tmp_path: Path) -> None:
    CRN(ClassSet.cityscapes(), SMALL).save_pretrained(tmp_path)
    (tmp_path / "samples").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "samples" / "street.png")
    small.save_pretrained(tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert "bicyclist" in card
    assert "(samples/street.png)" in card
    (tmp_path / "README.md").write_text("# Ours")
    small.save_pretrained(tmp_path)
    assert (tmp_path / "README.md").read_text() == "# Ours"


@pytest.mark.parametrize("layout", [[[0, 1]], None, torch.zeros(16, 32, dtype=torch.uint8)])
def test_synthesize_refuses_other_kinds_of_input(small: CRN, layout: object) -> None:
    with pytest.raises(LayoutError, match="a path, a PIL image or a NumPy array"):
        small.synthesize(layout)  # type: ignore[arg-type]


def test_weights_that_are_not_finite_are_refused(small: CRN, tmp_path: Path) -> None:
    with torch.no_grad():
        small.to_images.bias[0] = float("nan")
    small.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"not finite numbers in to_images\.bias"):
        CRN.from_pretrained(tmp_path)


def test_half_precision_weights_load_as_float32(small: CRN, tmp_path: Path) -> None:
    small.half().save_pretrained(tmp_path)
    again = CRN.from_pretrained(tmp_path)
    assert {p.dtype for p in again.parameters()} == {torch.float32}
    assert torch.equal(again.to_images.weight, small.to_images.weight.float())


def test_the_model_in_the_box_loads_and_separates_the_classes() -> None:
    model = CRN.from_pretrained()
    assert model.classes == ClassSet.streets()
    assert model.size == (256, 512)
    ids = np.full(model.size, model.classes.names.index("road"), np.uint8)
    ids[:100] = model.classes.names.index("sky")
    photograph = np.asarray(model.synthesize(ids)[0]).astype(float)
    assert photograph[:80].mean() > photograph[180:].mean() + 20  # by day and by dusk the sky is lighter than the road
