"""The perceptual loss against independent, slower statements of it."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from crn_hub.losses import PerceptualLoss
from crn_hub.perceptual import LAYERS, load_features

CLASSES = 4


@pytest.fixture(scope="module")
def loss() -> PerceptualLoss:
    return PerceptualLoss(load_features(), CLASSES)


def example(k: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(2, k, 3, 32, 64, generator=generator) * 2 - 1
    photographs = torch.rand(2, 3, 32, 64, generator=generator) * 2 - 1
    ids = torch.randint(0, CLASSES + 1, (2, 4, 8), generator=generator).repeat_interleave(8, 1).repeat_interleave(8, 2)
    return images, photographs, ids.masked_fill(ids == CLASSES, 255)


def plain_errors(loss: PerceptualLoss, image: torch.Tensor, photograph: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference per layer."""
    given, wanted = (loss.features((x[None] + 1) * 127.5) for x in (image, photograph))
    return torch.stack([(a - b).abs().mean() for a, b in zip(given, wanted, strict=True)])


def test_one_image_gives_the_plain_perceptual_loss(loss: PerceptualLoss) -> None:
    loss.layer_weights.copy_(torch.tensor([1.0, 2, 3, 4, 5, 6]))
    images, photographs, ids = example(1)
    total, terms = loss(images, photographs, ids)
    expected = torch.stack([plain_errors(loss, i[0], p) for i, p in zip(images, photographs, strict=True)]).mean(0)
    expected = expected * loss.layer_weights
    assert torch.allclose(torch.stack(list(terms.values())), expected, rtol=1e-4)
    assert total.item() == pytest.approx(expected.sum().item(), rel=1e-4)
    assert tuple(terms) == LAYERS


def test_the_best_image_counts_for_each_class(loss: PerceptualLoss) -> None:
    """The formula of reference section "Diverse output", written with loops."""
    loss.layer_weights.copy_(torch.tensor([1.0, 0.5, 0.3, 0.2, 0.1, 2.0]))
    images, photographs, ids = example(3)
    expected = torch.zeros(())
    for image, photograph, layout in zip(images, photographs, ids, strict=True):
        errors = torch.zeros(3, CLASSES + 1)
        wanted = loss.features((photograph[None] + 1) * 127.5)
        for u in range(3):
            given = loss.features((image[u][None] + 1) * 127.5)
            for p in range(CLASSES + 1):
                mask = (layout == (255 if p == CLASSES else p)).float()[None, None]
                for weight, a, b in zip(loss.layer_weights, given, wanted, strict=True):
                    small = F.interpolate(mask, a.shape[-2:], mode="area")
                    errors[u, p] += weight * ((a - b).abs().mean(1, keepdim=True) * small).mean()
        expected += (0.999 * errors.min(0).values.sum() + 0.001 * errors.mean(0).sum()) / len(images)
    assert loss(images, photographs, ids)[0].item() == pytest.approx(expected.item(), rel=1e-4)


def test_a_class_can_take_its_best_from_another_image(loss: PerceptualLoss) -> None:
    loss.layer_weights.copy_(torch.ones(6))
    _, photographs, ids = example(1)
    ids = torch.zeros_like(ids)
    ids[..., 32:] = 1
    left, right = photographs.clone(), photographs.clone()
    left[..., 32:] += 0.5  # the left half is right in one image, the right half in the other
    right[..., :32] += 0.5
    both, _ = loss(torch.stack([left, right], 1), photographs, ids)
    alone, _ = loss(left[:, None], photographs, ids)
    assert both < 0.5 * alone  # what is left: features at the border see both halves


def test_gradient_reaches_the_best_image_and_hardly_the_others(loss: PerceptualLoss) -> None:
    loss.layer_weights.copy_(torch.ones(6))
    images, photographs, ids = example(2)
    images[:, 0] = photographs + 0.05 * images[:, 0]
    images.requires_grad_()
    loss(images, photographs, ids)[0].backward()
    assert images.grad is not None
    best, other = images.grad[:, 0].abs().mean(), images.grad[:, 1].abs().mean()
    assert 0 < other < 0.01 * best


def test_calibrated_terms_are_equal_and_add_up_to_one(loss: PerceptualLoss) -> None:
    images, photographs, ids = example(1, seed=5)
    loss.layer_weights.copy_(torch.ones(6))
    _, terms = loss(images, photographs, ids)
    loss.calibrate(torch.stack(list(terms.values())))
    total, terms = loss(images, photographs, ids)
    assert torch.allclose(torch.stack(list(terms.values())), torch.full((6,), 1 / 6), rtol=1e-4)
    assert total.item() == pytest.approx(1, rel=1e-4)
    assert "layer_weights" in loss.state_dict()


@pytest.mark.parametrize("errors", [[1, 1, 0, 1, 1, 1], [1, 1, float("nan"), 1, 1, 1], [1, float("inf"), 1, 1, 1, 1]])
def test_terms_that_cannot_be_balanced_are_refused(loss: PerceptualLoss, errors: list[float]) -> None:
    with pytest.raises(ValueError, match="balanced"):
        loss.calibrate(torch.tensor(errors))


def test_the_same_picture_costs_nothing(loss: PerceptualLoss) -> None:
    _, photographs, ids = example(1)
    assert loss(photographs[:, None], photographs, ids)[0].item() == pytest.approx(0, abs=1e-5)
