"""The other generators and the discriminator: parity with their papers, and the calls that every model has."""

import json
import math
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from support.hub_client import Client, refusal
from support.hub_server import HubServer
from support.layouts import random_ids
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from crn_hub import CRN, ClassSet, FullResolutionNetwork, HubModel, SPADEGenerator, UNet
from crn_hub.cli import app, run
from crn_hub.demo.models import Models
from crn_hub.networks import PatchDiscriminator, bounds
from crn_hub.networks.spade import SPADEBlock, SpatiallyAdaptiveNorm

CAMVID = ClassSet.camvid()
TWO_CLASSES = ClassSet.from_list(CAMVID.to_list()[:2])  # with unlabelled three channels, as of an RGB picture


def make_unet(classes: ClassSet = CAMVID, num_images: int = 2) -> HubModel:
    return UNet(classes, (32, 64), 4, num_images, dropout=0.5)


def make_full_resolution(classes: ClassSet = CAMVID, num_images: int = 2) -> HubModel:
    return FullResolutionNetwork(classes, (24, 40), 6, num_images, dilations=(1, 2, 4, 1))


def make_spade(classes: ClassSet = CAMVID, num_images: int = 2) -> HubModel:
    return SPADEGenerator(classes, (64, 96), 2, num_images)


def make_cascade(classes: ClassSet = CAMVID, num_images: int = 2) -> HubModel:
    return CRN(classes, (6, 5, 4, 4), num_images=num_images)


Make = Callable[..., HubModel]
MAKERS: dict[str, Make] = {
    "unet": make_unet,
    "full-resolution": make_full_resolution,
    "spade": make_spade,
    "crn": make_cascade,
}


@pytest.fixture(params=MAKERS.values(), ids=MAKERS)
def make(request: pytest.FixtureRequest) -> Make:
    torch.manual_seed(0)
    return request.param


# -- parity with the papers --------------------------------------------------------------------------


def test_the_unet_has_the_published_number_of_parameters() -> None:
    """54.4 M, from three channels to three at 256 x 256: counted by the encoder and decoder of the paper's appendix."""
    encoder = [3, 64, 128, 256, 512, 512, 512, 512, 512]
    decoder = [(512, 512), (1024, 512), (1024, 512), (1024, 512), (1024, 256), (512, 128), (256, 64)]
    kernels = sum(16 * a * b for a, b in pairwise(encoder)) + sum(16 * a * b for a, b in decoder)
    normalised = encoder[2:-1] + [outputs for _, outputs in decoder]
    with torch.device("meta"):
        network = UNet(TWO_CLASSES, (256, 256))
    assert network.num_parameters == kernels + 2 * sum(normalised) + 16 * 128 * 3 + 3
    assert round(network.num_parameters / 1e6, 1) == 54.4


def test_the_discriminator_has_the_published_number_of_parameters() -> None:
    widths = [6, 64, 128, 256, 512, 1]
    expected = sum(16 * a * b for a, b in pairwise(widths)) + 64 + 1 + 2 * (128 + 256 + 512)
    found = sum(p.numel() for p in PatchDiscriminator(3).parameters())
    assert found == expected
    assert round(found / 1e6, 2) == 2.77


def shapes_of(network: nn.Module, kinds: tuple[type[nn.Module], ...], *inputs: Tensor) -> list[tuple[int, ...]]:
    """The shapes of the outputs of layers of some kinds, in the order in which they run."""
    seen: list[tuple[int, ...]] = []
    hooks = [
        module.register_forward_hook(lambda _, __, output: seen.append(tuple(output.shape[1:])))
        for module in network.modules()
        if isinstance(module, kinds)
    ]
    with torch.no_grad():
        network(*inputs)
    for hook in hooks:
        hook.remove()
    return seen


def test_layers_of_the_unet() -> None:
    network = UNet(CAMVID, (256, 256), 64).eval()
    found = shapes_of(network, (nn.Conv2d, nn.ConvTranspose2d), torch.zeros(1, 256, 256, dtype=torch.uint8))
    down = [(64, 128), (128, 64), (256, 32), (512, 16), (512, 8), (512, 4), (512, 2), (512, 1)]
    up = [(512, 2), (512, 4), (512, 8), (512, 16), (256, 32), (128, 64), (64, 128), (3, 256)]
    assert found == [(channels, side, side) for channels, side in down + up]


@pytest.mark.parametrize(
    ("size", "levels"), [((4, 8), 2), ((32, 64), 5), ((128, 256), 7), ((96, 160), 5), ((12, 64), 2)]
)
def test_no_normalisation_of_the_unet_sees_one_pixel(size: tuple[int, int], levels: int) -> None:
    network = UNet(CAMVID, size, 2).train()
    assert network.levels == levels
    found = shapes_of(network, (nn.InstanceNorm2d,), torch.zeros(1, *size, dtype=torch.uint8))
    assert found
    assert all(height >= 2 and width >= 2 for _, height, width in found)
    assert network(torch.zeros(1, *size, dtype=torch.uint8)).shape == (1, 1, 3, *size)


def test_dropout_is_in_the_first_three_layers_up_and_only_in_training() -> None:
    network = UNet(CAMVID, (32, 64), 4, dropout=0.5)
    ids = random_ids(network)
    assert [layer.dropout.p for layer in network.up] == [0.5, 0.5, 0.5, 0.0]
    assert not torch.equal(network(ids), network(ids))
    network.eval()
    assert torch.equal(network(ids), network(ids))
    assert network(ids).abs().max() <= 1  # tanh


def test_layers_of_the_full_resolution_network() -> None:
    network = FullResolutionNetwork(CAMVID, (16, 24), 5)
    ids = torch.zeros(1, 16, 24, dtype=torch.uint8)
    assert shapes_of(network, (nn.Conv2d,), ids) == 8 * [(5, 16, 24)] + [(3, 16, 24)]
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert [c.dilation[0] for c in convolutions] == [1, 2, 4, 8, 16, 32, 64, 1, 1]
    assert [c.kernel_size[0] for c in convolutions] == 8 * [3] + [1]


@pytest.mark.parametrize(("channels", "millions"), [(36, 93.0), (151, 96.5), (184, 97.5)])
def test_the_spade_generator_has_the_published_number_of_parameters(channels: int, millions: float) -> None:
    """For the layouts of Cityscapes, ADE20K and COCO-Stuff, as later papers report (quoted from memory)."""
    classes = ClassSet.from_list([{"name": f"class {i}", "color": [i, 0, 0]} for i in range(channels - 1)])
    with torch.device("meta"):
        assert round(SPADEGenerator(classes, (256, 256)).num_parameters / 1e6, 1) == millions


def test_layers_of_the_spade_generator() -> None:
    network = SPADEGenerator(CAMVID, (64, 96), 2).eval()
    found = shapes_of(network, (SPADEBlock,), torch.zeros(1, 64, 96, dtype=torch.uint8))
    assert found == [(32, 2, 3), (32, 4, 6), (32, 4, 6), (16, 8, 12), (8, 16, 24), (4, 32, 48), (2, 64, 96)]
    shortcuts = [hasattr(block, "conv_shortcut") for block in network.blocks]
    assert shortcuts == [False, False, False, True, True, True, True]


def test_spade_scales_and_shifts_by_the_layout() -> None:
    torch.manual_seed(0)
    norm = SpatiallyAdaptiveNorm(4, 3, 8)
    x, layout = torch.randn(2, 4, 5, 6), torch.rand(2, 3, 5, 6)
    plain = (x - x.mean(dim=(2, 3), keepdim=True)) / (x.var(dim=(2, 3), keepdim=True, correction=0) + 1e-5).sqrt()
    hidden = norm.shared(layout).clamp(min=0)
    gamma, beta = norm.scale_and_shift(hidden)[:, :4], norm.scale_and_shift(hidden)[:, 4:]
    assert torch.allclose(norm(x, layout), plain * (1 + gamma) + beta, atol=1e-5)


def spread_evenly(network: nn.Module) -> None:
    """Makes a network a sum of its inputs: positive weights, and no normalisation, which mixes distant pixels."""
    for name, module in [*network.named_modules()]:
        if isinstance(module, nn.InstanceNorm2d | nn.GroupNorm):
            network.get_submodule(name.rpartition(".")[0]).register_module(name.rpartition(".")[2], nn.Identity())
        elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def field_of_view(output: Tensor, inputs: Tensor, row: int, column: int) -> tuple[int, int]:
    """Height and width of the part of the input that one pixel of the output depends on."""
    (gradient,) = torch.autograd.grad(output[..., row, column].sum(), inputs)
    seen = gradient.abs().sum(dim=(0, 1)) > 0
    rows, columns = seen.any(dim=1).nonzero(), seen.any(dim=0).nonzero()
    assert seen[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()  # no holes
    return int(rows.max() - rows.min() + 1), int(columns.max() - columns.min() + 1)


def test_a_patch_of_the_discriminator_has_70_pixels() -> None:
    discriminator = PatchDiscriminator(3, 2).double()
    spread_evenly(discriminator)
    images = torch.ones(1, 3, 256, 256, dtype=torch.float64, requires_grad=True)
    logits = discriminator(torch.ones(1, 3, 256, 256, dtype=torch.float64), images)
    assert logits.shape == (1, 1, 30, 30)
    assert field_of_view(logits, images, 15, 15) == (70, 70)


@pytest.mark.parametrize(("dilations", "field"), [((1, 2, 4, 8, 16, 32, 64, 1), 257), ((1, 1, 2), 9)])
def test_the_field_of_view_of_dilated_convolutions(
    dilations: tuple[int, ...], field: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = FullResolutionNetwork(TWO_CLASSES, (270, 280), 1, dilations=dilations).double()
    spread_evenly(network)
    layout = torch.ones(1, 3, 270, 280, dtype=torch.float64, requires_grad=True)
    monkeypatch.setattr(network, "_one_hot", lambda ids: layout)
    assert field_of_view(network(torch.empty(0)), layout, 135, 140) == (field, field)


def test_every_pixel_of_the_unet_sees_the_whole_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 x 64 are halved to a single pixel; 320 x 320 only to 5 x 5, of which the corner's sees a part."""
    for size, field in ((64, 64), (320, 127)):  # of the 1 + 3 * 63 pixels of six layers, 63 are above the image
        network = UNet(TWO_CLASSES, (size, size), 1).double()
        spread_evenly(network)
        layout = torch.ones(1, 3, size, size, dtype=torch.float64, requires_grad=True)
        monkeypatch.setattr(network, "_one_hot", lambda ids, layout=layout: layout)
        assert field_of_view(network(torch.empty(0)), layout, 0, 0) == (field, field)


def test_arithmetic_is_what_pytorch_counts(make: Make) -> None:
    model = make()
    with FlopCounterMode(display=False) as counter:
        model(random_ids(model))
    assert model.gflop == pytest.approx(counter.get_total_flops() / 1e9, rel=1e-9)


# -- the calls that every model has ------------------------------------------------------------------


def test_images_of_each_model(make: Make) -> None:
    model = make().eval()
    ids = random_ids(model, batch=2)
    images = model(ids)
    assert images.shape == (2, 2, 3, *model.size)
    assert torch.allclose(model(ids[1:]), images[1:], atol=1e-5)  # a sample doesn't depend on the others
    assert not torch.allclose(images[:, 0], images[:, 1])
    photographs = model.synthesize(np.full((30, 50), 255, np.uint8))
    assert [photograph.size for photograph in photographs] == [(50, 30), (50, 30)]
    with pytest.raises(ValueError, match="ids must have the shape"):
        model(ids[:, 1:])


def test_each_model_is_saved_and_loaded(make: Make, tmp_path: Path) -> None:
    model = make().eval()
    model.training_record = {"system": "a *system*", "result": {"steps": 3, "validation_loss": 0.5}, "dataset": "x"}
    model.save_pretrained(tmp_path)
    ids = random_ids(model)
    for kind in (type(model), HubModel):
        loaded = kind.from_pretrained(tmp_path)
        assert type(loaded) is type(model)
        assert loaded.config == model.config
        assert torch.equal(loaded(ids), model(ids))
        assert loaded.training_record == model.training_record
    card = ModelCard.load(tmp_path / "README.md")
    height, width = model.size
    assert f"# {model.TITLE[0].upper()}{model.TITLE[1:]}, {width} x {height}" in card.text
    assert f"from crn_hub import {type(model).__name__}" in card.text
    assert f"[{model.PAPER[0]}]({model.PAPER[1]})" in card.text
    assert "loss alone, but a \\*system\\*.\n" in card.text
    assert f"| {model.layers[0]} | {model.layers[1]} |" in card.text
    assert f"| parameters | {model.num_parameters:,} |" in card.text
    assert "arxiv:1707.09405" in card.data.tags
    assert card.data.tags.count(f"arxiv:{model.PAPER[1].rpartition('/')[2]}") == 1
    assert "The validation loss is the training's own" in card.text


def test_a_class_loads_only_its_own_models(make: Make, tmp_path: Path) -> None:
    model = make()
    model.save_pretrained(tmp_path)
    for other in {CRN, UNet, FullResolutionNetwork, SPADEGenerator} - {type(model)}:
        assert refusal(ValueError, other.from_pretrained, tmp_path) == (
            f"{tmp_path}: a {model.TITLE}, not a {other.TITLE}; {type(model).__name__}.from_pretrained loads it, and "
            "HubModel.from_pretrained any model."
        )
    assert ": a cascaded refinement network, not a U-Net; " in refusal(ValueError, UNet.from_pretrained)  # in the box


def reordered() -> ClassSet:
    rows = CAMVID.to_list()
    new = {"name": "river", "color": [1, 2, 3]}
    return ClassSet.from_list([new, *[{k: row[k] for k in ("name", "color")} for row in reversed(rows)]])


def test_each_model_starts_from_another_by_the_names_of_classes(make: Make) -> None:
    model, start = make(reordered(), 1).eval(), make(CAMVID, 1).eval()
    assert model.grow_from(start) == model.num_modules
    ids = random_ids(start)
    there = CAMVID.translation_to(model.classes)
    assert torch.allclose(model(torch.from_numpy(there[ids.numpy()])), start(ids), atol=1e-5)


def test_a_part_starts_like_its_whole(make: Make) -> None:
    model, start = make(ClassSet.streets(), 1).eval(), make(CAMVID, 1).eval()
    assert model.grow_from(start) == model.num_modules
    ids = random_ids(model)
    assert {11, 12} <= set(ids.unique().tolist())
    as_before = ClassSet.streets().translation_to(CAMVID)[ids.numpy()]
    assert torch.allclose(model(ids), start(torch.from_numpy(as_before)), atol=1e-5)


def test_several_images_start_near_one(make: Make) -> None:
    model, start = make(CAMVID, 3).eval(), make(CAMVID, 1).eval()
    model.grow_from(start)
    ids = random_ids(start)
    images, one = model(ids)[0], start(ids)[0]
    assert torch.allclose(images[:1], one, atol=1e-6)
    difference = (images[1:] - one).abs().mean()
    assert 0 < difference < 0.3 * one.std()


def test_a_network_of_another_kind_cannot_be_started_from(make: Make) -> None:
    model = make()
    for other in (other() for other in MAKERS.values() if other is not make):
        with pytest.raises(ValueError, match=rf"a {model.TITLE} cannot start from a {other.TITLE}\."):
            model.grow_from(other)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (UNet(CAMVID, (32, 64), 8), "cannot start from a U-Net with width 8, here 4"),
        (UNet(CAMVID, (16, 32), 4), r"cannot start from a U-Net with size \[16, 32\], here \[32, 64\]"),
    ],
)
def test_a_start_of_another_shape_is_refused(start: UNet, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_unet().grow_from(start)


def test_gradient_checkpointing_changes_nothing(make: Make) -> None:
    model = make()
    ids, gradients = random_ids(model), []
    for checkpointing in (False, True):
        model.gradient_checkpointing = checkpointing
        torch.manual_seed(1)  # of dropout
        model.zero_grad()
        model(ids).square().mean().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(*gradients, strict=True))


UNET = {"architecture": "unet", "size": [32, 64], "width": 4, "num_images": 1, "dropout": 0.5}
FULL = {"architecture": "full-resolution", "size": [32, 64], "width": 4, "num_images": 1, "dilations": [1, 2]}


SPADE = {"architecture": "spade", "size": [64, 64], "width": 4, "num_images": 1}


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (
            {**UNET, "architecture": "gpt"},
            "config.json names the architecture 'gpt', of another kind of model or a newer",
        ),
        ({**UNET, "architecture": ["unet"]}, "config.json names the architecture ['unet']"),
        ({**UNET, "size": [32, 62]}, "does not describe a UNet: size 32 x 62: both sides must be multiples of 4"),
        ({**UNET, "size": [32]}, "does not describe a UNet: size must be (height, width), not [32]"),
        ({**UNET, "size": 32}, "does not describe a UNet: size must be a list of whole numbers, not 32"),
        ({**UNET, "size": [8192, 65536]}, "does not describe a UNet: size must be whole numbers 4..32768, not 65536"),
        ({**UNET, "size": [8192, 8196]}, "has 67,141,632 pixels; at most 67,108,864 are allowed"),
        ({**UNET, "size": [4096, 4096], "width": 1024}, "features in a layer at size 4096 x 4096; at most 536,870,912"),
        ({**UNET, "size": [256, 256], "width": 1024}, "width 1024 gives 13,9"),
        ({**UNET, "width": 0}, "width must be whole numbers 1..1024, not 0"),
        ({**UNET, "dropout": 1}, "dropout must be a number 0..0.9, not 1"),
        ({**UNET, "dropout": "0.5"}, "dropout must be a number 0..0.9, not '0.5'"),
        ({**UNET, "dropout": math.nan}, "dropout must be a number 0..0.9, not nan"),
        ({**UNET, "widths": [4]}, "unknown fields widths, of another kind"),
        ({k: UNET[k] for k in ("architecture", "size")}, "the fields dropout, num_images, width are missing"),
        (
            {**FULL, "dilations": []},
            "does not describe a FullResolutionNetwork: dilations must name 1 to 64 layers, not 0",
        ),
        ({**FULL, "dilations": [1] * 65}, "dilations must name 1 to 64 layers, not 65"),
        ({**FULL, "dilations": [0]}, "dilations must be whole numbers 1..4096, not 0"),
        ({**FULL, "size": [1, 64]}, "size must be whole numbers 4..32768, not 1"),
        ({**FULL, "num_images": 300}, "num_images must be whole numbers 1..256, not 300"),
        ({**FULL, "size": [4096, 8192], "width": 64}, "features in a layer at size 4096 x 8192"),
        (
            {**SPADE, "size": [32, 64]},
            "does not describe a SPADEGenerator: size 32 x 64: both sides must be multiples of 32, from 64",
        ),
        ({**SPADE, "size": [64, 80]}, "size 64 x 80: both sides must be multiples of 32"),
        ({**SPADE, "width": 1024}, "parameters; at most 2,147,483,648 are allowed"),
    ],
)
def test_hostile_configs_are_refused(config: dict, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**config, "classes": CAMVID.to_list()}))
    message = refusal(ValueError, HubModel.from_pretrained, tmp_path)
    assert message.startswith(f"{tmp_path}: config.json ")
    assert complaint in message


def test_bounds_count_what_the_networks_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_FEATURES", 40 * 16 * 32)
    FullResolutionNetwork(CAMVID, (16, 32), 40)
    UNet(CAMVID, (16, 32), 40)  # whose maps at that size are the layout of 12 channels and the images
    monkeypatch.setattr(bounds, "MAX_PARAMETERS", FullResolutionNetwork(CAMVID, (16, 32), 40).num_parameters)
    with pytest.raises(ValueError, match="features"):
        FullResolutionNetwork(CAMVID, (16, 32), 41)
    with pytest.raises(ValueError, match="parameters"):
        UNet(CAMVID, (16, 32), 40)


def push_unet() -> None:
    UNet(CAMVID, (32, 64), 4).push_to_hub("org/unet")


def load_kind() -> str:
    return type(HubModel.from_pretrained("org/unet")).__name__


def test_the_hub_has_unets(client: Client, hub: HubServer) -> None:
    client(push_unet)
    commit = hub.repos["models", "org/unet"].find("main")
    assert commit is not None
    assert commit.title == "Upload UNet"
    assert json.loads(commit.files["config.json"].data)["architecture"] == "unet"
    assert client(load_kind) == "UNet"


def test_the_page_and_the_command_take_each_model(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make()
    model.save_pretrained(tmp_path / "model")
    models = Models(CRN.from_pretrained(), folders=True)
    models.load(str(tmp_path / "model"))
    assert type(models.get(str(tmp_path / "model"))) is type(model)
    layout = tmp_path / "layout.png"
    CAMVID.to_image(np.zeros((20, 40), np.uint8)).save(layout)
    for command in (["info"], ["synthesize", str(layout), "--output", str(tmp_path / "out")]):
        monkeypatch.setattr(sys, "argv", ["crn", command[0], str(tmp_path / "model"), *command[1:]])
        with pytest.raises(SystemExit) as ended:
            run(app)
        assert not ended.value.code
    assert model.TITLE in capsys.readouterr().out
    assert len(list((tmp_path / "out").iterdir())) == 2
