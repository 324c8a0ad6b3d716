"""What a cascade leaves out on a CPU when no gradients are asked for: the images stay the same."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from support.layouts import random_ids
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from crn_hub import CRN, ClassSet
from crn_hub.networks import enlarged_convolution
from crn_hub.networks.enlarged_convolution import add_enlarged_convolution
from crn_hub.networks.one_hot import one_hot, one_hot_of_present

SHAPES = {  # B, C, C', (h, w), (H, W)
    "twice as large": (2, 5, 7, (8, 16), (16, 32)),
    "one pixel": (1, 3, 2, (1, 1), (2, 2)),
    "one row": (1, 4, 4, (1, 6), (2, 12)),
    "any other size": (3, 4, 9, (5, 7), (11, 13)),
    "as large as the model in the box": (1, 40, 16, (128, 256), (256, 512)),
}


@pytest.mark.parametrize("limits", [{}, {"PRODUCTS_AT_ONCE": 500}, {"PIXELS_AT_ONCE": 70}], ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_enlarging_and_convolving_can_change_places(
    shape: str, limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    if limits:  # blocks of rows
        for name, limit in {**limits, "LEAST_ROWS": 2}.items():
            monkeypatch.setattr(enlarged_convolution, name, limit)
    torch.manual_seed(0)
    batch, channels, wanted, size, large = SHAPES[shape]
    features = torch.randn(batch, channels, *size).contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(wanted, channels + 2, 3, 3)[:, :channels] / (9 * channels) ** 0.5
    before = torch.randn(batch, wanted, *large).contiguous(memory_format=torch.channels_last)
    sums = before.clone()
    with torch.inference_mode():
        add_enlarged_convolution(sums, features, kernel)
    enlarged = functional.interpolate(features, large, mode="bilinear", align_corners=True)
    expected = functional.conv2d(enlarged, kernel, padding=1)
    assert expected.std() > 0.1
    assert (sums - before - expected).abs().max() < 2e-5


@pytest.mark.parametrize(("dtype", "error"), [(torch.bfloat16, 0.05), (torch.float16, 0.01), (torch.float64, 1e-13)])
def test_other_precisions_have_their_own_error(dtype: torch.dtype, error: float) -> None:
    torch.manual_seed(0)
    features = torch.randn(1, 24, 64, 128, dtype=dtype).contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(16, 24, 3, 3, dtype=dtype) / 15
    sums = torch.zeros(1, 16, 128, 256, dtype=dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        add_enlarged_convolution(sums, features, kernel)
    enlarged = functional.interpolate(features.double(), (128, 256), mode="bilinear", align_corners=True)
    assert (sums - functional.conv2d(enlarged, kernel.double(), padding=1)).abs().max() < error


def test_only_the_classes_that_occur_have_channels() -> None:
    ids = torch.tensor([[[0, 3], [3, 255]], [[7, 7], [0, 0]]], dtype=torch.uint8)
    layout, present = one_hot_of_present(ids, 9, torch.float32)
    assert present.tolist() == [0, 3, 7, 9]
    assert layout.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(layout, one_hot(ids, 9)[:, present])
    assert one_hot(ids, 9).sum() == layout.sum() == 8


@pytest.mark.parametrize("parts", [{}, {"region_colors": True}, {"region_colors": True, "noise_planes": True}])
@pytest.mark.parametrize("layout", ["all classes", "three classes", "one class", "nothing labelled", "two layouts"])
def test_images_are_the_same_with_and_without_gradients(layout: str, parts: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = CRN(ClassSet.cityscapes(), (12, 10, 8, 6), num_images=2, **parts).eval()
    if model.region_colors:
        model.default_colors.uniform_(-1, 1)
    ids = random_ids(model, batch=2 if layout == "two layouts" else 1)
    if layout == "two layouts":
        ids = torch.stack([ids[0] % 4, ids[1] % 3 + 9])  # the second has no class of the first
    if layout in ("three classes", "one class"):
        ids = 5 + ids % (3 if layout == "three classes" else 1)
    if layout == "nothing labelled":
        ids = torch.full_like(ids, 255)
    exact = model(ids)
    assert exact.requires_grad
    with torch.no_grad():
        images = model(ids)
    assert exact.std() > 0.01
    assert (images - exact).abs().max() < 1e-4


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int16, torch.int32, torch.uint32, torch.int64])
def test_ids_of_any_integer_type(dtype: torch.dtype) -> None:
    model = CRN(ClassSet.camvid(), (4, 4)).eval()
    ids = random_ids(model)
    with torch.no_grad():
        assert torch.equal(model(ids.to(dtype)), model(ids))


def test_no_layouts_and_ids_that_mean_nothing() -> None:
    model = CRN(ClassSet.camvid(), (4, 4), region_colors=True).eval()
    with torch.no_grad():
        assert model(torch.zeros(0, *model.size, dtype=torch.uint8)).shape == (0, 1, 3, *model.size)
        with pytest.raises(ValueError, match=r"ids \[11\] are outside 0\.\.10"):
            model(torch.full((1, *model.size), 11))


@pytest.mark.filterwarnings("ignore:`torch.jit.trace:FutureWarning", "ignore::torch.jit.TracerWarning")
def test_a_trace_is_for_any_layout() -> None:
    model = CRN(ClassSet.camvid(), (4, 4)).eval()
    sky, all_classes = torch.zeros(1, *model.size, dtype=torch.long), random_ids(model)
    with torch.no_grad():
        traced = torch.jit.trace(model, sky)
        assert (traced(all_classes) - model(all_classes)).abs().max() < 1e-5


def test_what_is_compiled_is_for_any_layout_too() -> None:
    model = CRN(ClassSet.camvid(), (4, 4, 4)).eval()
    layouts = [torch.zeros(1, *model.size, dtype=torch.long), random_ids(model), torch.full((1, *model.size), 3)]
    graphs: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> Callable[..., Any]:
        graphs.append(graph)
        return graph.forward

    with torch.no_grad():
        expected = [model(ids) for ids in layouts]
        model.compile(backend=backend)
        images = [model(ids) for ids in layouts[:1]]
        first = len(graphs)
        images += [model(ids) for ids in layouts[1:]]
    assert max((one - other).abs().max() for one, other in zip(images, expected, strict=True)) < 1e-5
    assert 0 < first == len(graphs)
    torch.compiler.reset()


def test_there_is_less_arithmetic_and_still_less_for_few_classes() -> None:
    model = CRN(ClassSet.cityscapes(), (16, 16, 16)).eval()
    counts = []
    for ids in (random_ids(model), torch.zeros(1, *model.size, dtype=torch.uint8)):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(ids)
        counts.append(counter.get_total_flops() / 1e9)
    assert counts[1] < counts[0] < model.gflop
