"""Which stages a command line asks for."""

from itertools import pairwise

import pytest
import torch

from crn_hub import CRN, ClassSet
from crn_hub.networks import UNet
from crn_hub.networks.cascade import DEMO_WIDTHS
from crn_hub.training.paper_settings import PAPER_SETTINGS
from crn_hub.training.stages import DEFAULT_WIDTHS, Stage, StagePlan, plan_only_stage, plan_stages, settle
from crn_hub.training.systems import SYSTEMS


def test_one_stage_by_default() -> None:
    assert plan_stages(None, None, (), None) == [StagePlan(DEFAULT_WIDTHS[64], (64, 128), None)]
    assert plan_stages((256,), None, (), None) == [StagePlan(DEFAULT_WIDTHS[256], (256, 512), None)]


def test_each_stage_has_the_beginning_of_the_final_widths() -> None:
    plan = plan_stages(None, None, ("64:1500", "128", "256:500"), None)
    assert [(stage.size, stage.steps) for stage in plan] == [((64, 128), 1500), ((128, 256), None), ((256, 512), 500)]
    assert [stage.widths for stage in plan] == [DEFAULT_WIDTHS[height] for height in (64, 128, 256)]
    assert [stage.widths for stage in plan_stages((16,), (5, 4, 3), ("8", "16"), None)] == [(5, 4), (5, 4, 3)]


def test_stages_grow_from_a_model() -> None:
    start = CRN(ClassSet.camvid(), (5, 4), base_size=(8, 8))
    assert plan_stages((32,), (5, 4, 3), ("16:2", "32"), start) == [
        StagePlan((5, 4), (16, 16), 2),
        StagePlan((5, 4, 3), (32, 32), None),
    ]
    assert plan_stages((16,), None, (), start) == [StagePlan((5, 4), (16, 16), None)]


def test_steps_are_counted_through_all_stages() -> None:
    plans = [StagePlan((4,), (8, 16), 5), StagePlan((4, 4), (16, 32), None)]
    assert settle(plans, 7, None) == (Stage(0, (4,), (8, 16), 5, 0, 5), Stage(1, (4, 4), (16, 32), 7, 5, 12))
    rehearsed = settle(plans, 7, at_most=2)  # the learning rate is still scheduled over all steps
    assert rehearsed == (Stage(0, (4,), (8, 16), 5, 0, 2), Stage(1, (4, 4), (16, 32), 7, 2, 4))


@pytest.mark.parametrize(
    ("resolution", "widths", "stages", "message"),
    [
        (None, None, ("64", "x"), "--stages x: use HEIGHT or HEIGHT:STEPS"),
        (None, None, ("64:0",), "--stages 64:0"),
        (None, None, ("128", "64"), "each stage must be higher"),
        (None, None, ("64", "64"), "each stage must be higher"),
        (256, None, ("64", "128"), "--stages end at 128, but --resolution is 256"),
        (None, None, ("48", "64"), "--stages 48: not a height of this cascade"),
        (None, None, ("2", "64"), "--stages 2: not a height of this cascade"),
        (48, None, (), "--resolution 48: use one of 32, 64"),
        (32, (4, 4), (), "2 widths make images 8 pixels high"),
    ],
)
def test_what_does_not_fit_is_refused(
    resolution: int | None, widths: tuple[int, ...] | None, stages: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        plan_stages(resolution and (resolution,), widths, stages, None)


def test_a_stage_is_not_below_the_model_to_start_from() -> None:
    start = CRN(ClassSet.camvid(), (5, 4, 3))
    with pytest.raises(
        ValueError, match="--stages 8: fewer modules than the 3 of the model to start from; use 16 or more"
    ):
        plan_stages((32,), (5, 4, 3, 2), ("8", "32"), start)


@pytest.mark.parametrize(
    ("resolution", "base", "modules"),
    [
        ((256, 256), (4, 4), 7),
        ((256, 512), (4, 8), 7),
        ((512, 256), (8, 4), 7),
        ((256, 320), (4, 5), 7),
        ((192, 256), (6, 8), 6),
        ((96, 160), (6, 10), 5),
        ((224, 224), (7, 7), 6),
    ],
)
def test_images_of_any_shape(resolution: tuple[int, int], base: tuple[int, int], modules: int) -> None:
    (plan,) = plan_stages(resolution, None, (), None)
    assert plan.size == resolution
    assert plan.widths == DEMO_WIDTHS[:modules]
    network = SYSTEMS["crn"].network(ClassSet.camvid(), plan.widths, plan.size, 1)
    assert (network.size, network.base_size) == (resolution, base)
    grown = plan_stages(resolution, None, (str(resolution[0] // 2), str(resolution[0])), None)
    assert [stage.size for stage in grown] == [(resolution[0] // 2, resolution[1] // 2), resolution]


def test_a_shape_that_a_cascade_cannot_have_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"--resolution 360 480: .* multiples of 64 pixels; .* --resolution 384 512"):
        plan_stages((360, 480), None, (), None)
    plan_stages((384, 512), None, (), None)
    with pytest.raises(ValueError, match="one number, the height, or two"):
        plan_stages((64, 64, 3), None, (), None)
    (plan,) = plan_stages((30, 44), (5, 4), (), None)
    assert plan.size == (30, 44)


def test_a_cascade_of_another_shape_starts_from_a_model() -> None:
    start = CRN(ClassSet.camvid(), (6, 5, 4))  # 16 x 32
    (plan,) = plan_stages((16, 20), None, (), start)
    assert (plan.widths, plan.size) == ((6, 5, 4), (16, 20))
    network = SYSTEMS["crn"].network(ClassSet.camvid(), plan.widths, plan.size, 1)
    assert network.grow_from(start) == 3
    assert torch.equal(network.state_dict()["to_images.weight"], start.state_dict()["to_images.weight"])


def test_other_networks_have_any_shape_too() -> None:
    (plan,) = plan_only_stage(UNet, (64, 80), None, (), None)
    assert plan.size == (64, 80)
    assert plan_only_stage(UNet, (64,), None, (), None)[0].size == (64, 128)
    start = UNet(ClassSet.camvid(), (32, 48), 4, 1)
    assert plan_only_stage(UNet, None, None, (), start)[0].size == (32, 48)
    with pytest.raises(ValueError, match=r"makes images of 32 x 48 pixels .* not 32 x 64"):
        plan_only_stage(UNet, (32, 64), None, (), start)


def test_default_widths_fit_their_resolution_and_grow_into_each_other() -> None:
    for height, widths in DEFAULT_WIDTHS.items():
        assert 4 * 2 ** (len(widths) - 1) == height
    table = list(DEFAULT_WIDTHS.values())
    assert all(longer[: len(shorter)] == shorter for shorter, longer in pairwise(table))


def test_presets_are_the_papers_networks() -> None:
    classes = ClassSet.cityscapes()
    with torch.device("meta"):  # which takes neither memory nor time
        coarse, middle, fine = (
            CRN(classes, preset["widths"], num_images=preset["num_images"]) for preset in PAPER_SETTINGS.values()
        )
    assert [model.size for model in (coarse, middle, fine)] == [(256, 512), (512, 1024), (1024, 2048)]
    assert [preset["resolution"] for preset in PAPER_SETTINGS.values()] == [[256], [512], [1024]]
    assert coarse.num_images == 9
    assert coarse.num_parameters == pytest.approx(97.9e6, rel=0.001)  # reference: the published 256p network
    fine.grow_from(middle)
