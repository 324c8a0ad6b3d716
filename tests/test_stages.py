"""Which stages a command line asks for."""

from itertools import pairwise

import pytest
import torch

from crn_hub import CRN, ClassSet
from crn_hub.training.paper_settings import PAPER_SETTINGS
from crn_hub.training.stages import DEFAULT_WIDTHS, Stage, StagePlan, plan_stages, settle


def test_one_stage_by_default() -> None:
    assert plan_stages(None, None, (), None) == [StagePlan(DEFAULT_WIDTHS[64], (64, 128), None)]
    assert plan_stages(256, None, (), None) == [StagePlan(DEFAULT_WIDTHS[256], (256, 512), None)]


def test_each_stage_has_the_beginning_of_the_final_widths() -> None:
    plan = plan_stages(None, None, ("64:1500", "128", "256:500"), None)
    assert [(stage.size, stage.steps) for stage in plan] == [((64, 128), 1500), ((128, 256), None), ((256, 512), 500)]
    assert [stage.widths for stage in plan] == [DEFAULT_WIDTHS[height] for height in (64, 128, 256)]
    assert [stage.widths for stage in plan_stages(16, (5, 4, 3), ("8", "16"), None)] == [(5, 4), (5, 4, 3)]


def test_stages_grow_from_a_model() -> None:
    start = CRN(ClassSet.camvid(), (5, 4), base_size=(8, 8))
    assert plan_stages(32, (5, 4, 3), ("16:2", "32"), start) == [
        StagePlan((5, 4), (16, 16), 2),
        StagePlan((5, 4, 3), (32, 32), None),
    ]
    assert plan_stages(16, None, (), start) == [StagePlan((5, 4), (16, 16), None)]


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
        plan_stages(resolution, widths, stages, None)


def test_a_stage_is_not_below_the_model_to_start_from() -> None:
    start = CRN(ClassSet.camvid(), (5, 4, 3))
    with pytest.raises(ValueError, match="--stages 8: below the 16 pixels of the model to start from"):
        plan_stages(32, (5, 4, 3, 2), ("8", "32"), start)


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
    assert [preset["resolution"] for preset in PAPER_SETTINGS.values()] == [256, 512, 1024]
    assert coarse.num_images == 9
    assert coarse.num_parameters == pytest.approx(97.9e6, rel=0.001)  # reference: the published 256p network
    fine.grow_from(middle)
