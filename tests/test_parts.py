"""What is added to the published cascade: colours of regions, noise, and the distance of textures in its loss."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from support.forked_runs import die
from support.resumed_runs import EVERY, STEPS, assert_same
from support.training_script import ENVIRONMENT, fails, log_of, run_script, train
from torch import Tensor

from crn_hub import CRN, ClassSet
from crn_hub.data import PairDataset, scene_rows
from crn_hub.losses import PerceptualLoss
from crn_hub.losses.texture import TEXTURE_LAYERS, TextureLoss, _Places
from crn_hub.pictures import from_255
from crn_hub.region_colors import JITTER, SMALLEST, class_colors, region_colors
from crn_hub.scenes import street_scene
from crn_hub.vgg import load_features
from scripts.narrow_cascade import narrow

STREETS = ClassSet.streets()
WIDTHS = (8, 6, 5, 4)


def network(**parts: bool) -> CRN:
    torch.manual_seed(0)
    return CRN(STREETS, WIDTHS, region_colors=parts.get("colors", False), noise_planes=parts.get("noise", False)).eval()


def both() -> CRN:
    return network(colors=True, noise=True)


def layouts(model: CRN, count: int = 2) -> Tensor:
    return torch.randint(0, len(STREETS), (count, *model.size), generator=torch.Generator().manual_seed(1))


# -- the network -------------------------------------------------------------------------------------


def test_without_the_parts_the_network_is_the_published_one() -> None:
    plain = network()
    assert "region_colors" not in plain.config
    assert not any("noise" in name or "default" in name for name in plain.state_dict())
    assert plain.noise(3, 2) == []
    for given in ({"colors": torch.zeros(1, 3, *plain.size)}, {"noise": both().noise(0)}):
        with pytest.raises(ValueError, match=r"this network takes no (colours of regions|noise)\."):
            plain(layouts(plain, 1), **given)


def test_noise_depends_on_the_seed_and_the_plane_alone() -> None:
    model = both()
    planes = model.noise(5, 3)
    assert [tuple(plane.shape) for plane in planes] == [(3, 1, 4 << i, 8 << i) for i in range(4) for _ in range(2)]
    assert all(torch.equal(plane[0], plane[2]) for plane in planes)
    assert all(torch.equal(a[:1], b) for a, b in zip(planes, model.noise(5), strict=True))
    assert not torch.equal(planes[0][0], planes[1][0])
    each = model.noise([5, 6])
    assert all(torch.equal(a[0], b[0]) and not torch.equal(a[0], b[1]) for a, b in zip(planes, each, strict=True))
    assert abs(float(planes[-1].std()) - 1) < 0.1


def test_noise_and_colours_count_and_have_defaults() -> None:
    model = both()
    with torch.no_grad():
        model.default_colors.copy_(torch.linspace(-1, 1, 42).reshape(14, 3))
    ids = layouts(model)
    as_they_are = model(ids)
    own = model.default_colors[ids].permute(0, 3, 1, 2)
    assert torch.allclose(model(ids, own, model.noise(0, 2)), as_they_are, atol=1e-5)
    assert not torch.allclose(model(ids, -own), as_they_are, atol=1e-3)
    assert not torch.allclose(model(ids, None, model.noise(1, 2)), as_they_are, atol=1e-3)
    assert torch.allclose(model(ids[1:]), as_they_are[1:], atol=1e-5)  # alone or in a batch


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"colors": torch.zeros(2, 3, 32, 63)}, r"colors must be floating point \(2, 3, 32, 64\)"),
        ({"colors": torch.zeros(2, 3, 32, 64, dtype=torch.uint8)}, "not torch.uint8"),
        ({"colors": np.zeros((2, 3, 32, 64))}, "colors must be a tensor"),
        ({"noise": []}, "noise must be 8 planes for 2 layouts"),
        ({"noise": 5}, "noise must be 8 planes for 2 layouts"),
        ({"noise": [np.zeros((2, 1, 4, 8))] * 8}, "noise must be 8 planes for 2 layouts"),
        ({"noise": both().noise(0, 1)}, "noise must be 8 planes for 2 layouts"),
    ],
)
def test_colours_and_noise_of_other_shapes_are_refused(given: dict, message: str) -> None:
    model = both()
    with pytest.raises(ValueError, match=message):
        model(layouts(model), **given)


@pytest.mark.parametrize("seed", [-1, 1.5, True, "1", [0, -1], None])
def test_seeds_are_whole_numbers(seed: object) -> None:
    with pytest.raises(ValueError, match="seed must be a whole number, 0 or more, not"):
        both().noise(seed)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="noise is for one layout or more"):
        both().noise([])


def test_gradient_checkpointing_changes_no_gradient_with_noise() -> None:
    model = both().train()
    gradients = []
    for model.gradient_checkpointing in (False, True):
        model.zero_grad()
        model(layouts(model), noise=model.noise([1, 2])).square().mean().backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    assert len(gradients[0]) == len([*model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_a_saved_model_comes_back_with_its_parts(tmp_path: Path) -> None:
    model = both()
    model.default_colors.fill_(0.25)
    model.save_pretrained(tmp_path)
    loaded = CRN.from_pretrained(tmp_path)
    assert (loaded.region_colors, loaded.noise_planes) == (True, True)
    assert torch.equal(loaded(layouts(model)), model(layouts(model)))
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"noise_planes": 1}))
    with pytest.raises(ValueError, match="noise_planes must be true or false, not 1"):
        CRN.from_pretrained(tmp_path)


def test_a_network_with_parts_starts_from_one_without_nearly_as_it_was() -> None:
    plain, model = network(), both()
    model.grow_from(plain)
    for before, stage, start in zip((0, *WIDTHS), model.stages, plain.stages, strict=False):
        kernel = stage.conv1.weight
        assert torch.equal(kernel[:, :before], start.conv1.weight[:, :before])
        assert torch.equal(kernel[:, before + 3 :], start.conv1.weight[:, before:])
        assert 0 < kernel[:, before : before + 3].abs().mean() < 0.3 * start.conv1.weight.abs().mean()
        assert torch.equal(stage.noise1.abs(), torch.full_like(stage.noise1, 0.05))
    apart = (model(layouts(model)) - plain(layouts(model))).abs().mean()
    assert apart < 0.5 * plain(layouts(model)).std()
    again = both()
    model.default_colors.fill_(0.5)
    again.grow_from(model)
    assert torch.equal(again(layouts(model)), model(layouts(model)))
    back = network()
    back.grow_from(model)
    assert torch.equal(back(layouts(model)), plain(layouts(model)))


# -- colours of regions ------------------------------------------------------------------------------


def test_each_region_has_its_own_mean_colour() -> None:
    ids = np.zeros((40, 80), np.uint8)
    ids[:, 40:] = 8
    ids[10:20, 10:20] = 8  # another car
    ids[0, 0] = 8  # too small for a region, and apart
    pixels = np.random.default_rng(0).integers(0, 256, (40, 80, 3), dtype=np.uint8)
    found = (region_colors(pixels, ids) + 1) * 127.5
    for region in ((slice(None), slice(40, None)), (slice(10, 20), slice(10, 20))):
        mean = pixels[region].reshape(-1, 3).mean(axis=0)
        assert np.abs(found.transpose(1, 2, 0)[region] - mean).max() < 1e-3
    assert found[:, 0, 0] == pytest.approx(pixels[ids == 8].mean(axis=0), abs=1e-3)  # that of all cars


def test_diagonal_neighbours_are_connected() -> None:
    ids = np.full((64, 64), 255, np.uint8)
    ids[range(64), range(64)] = 2  # a thin pole
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert 1 / ids.size < SMALLEST < 64 / ids.size
    assert np.ptp(region_colors(pixels, ids)[:, ids == 2], axis=1) == pytest.approx(0)


def test_the_same_regions_at_twice_the_size() -> None:
    ids, picture = street_scene(3, (64, 128))
    pixels = np.asarray(picture)
    large = region_colors(pixels.repeat(2, 0).repeat(2, 1), ids.repeat(2, 0).repeat(2, 1))
    assert large[:, ::2, ::2] == pytest.approx(region_colors(pixels, ids), abs=1e-4)


def test_in_training_colours_are_a_little_off_and_sometimes_coarse() -> None:
    ids, picture = street_scene(3, (64, 128))
    pixels = np.asarray(picture)
    exact = region_colors(pixels, ids)
    off, distinct = [], []
    for seed in range(40):
        found = region_colors(pixels, ids, np.random.default_rng(seed))
        off.append(np.abs(found - exact).mean())
        distinct.append(len(np.unique(found.reshape(3, -1), axis=1).T))
    assert 0.3 * JITTER < np.median(off) < 3 * JITTER
    assert 2 <= sum(count == len(np.unique(ids)) for count in distinct) <= 20  # those of whole classes
    data = PairDataset(scene_rows(2, (32, 64))[0], STREETS, (32, 64), seed=0, with_colors=True)
    first = data[0]
    assert torch.equal(data[0]["colors"], first["colors"])
    data.set_epoch(1)
    assert not torch.equal(data[0]["colors"], first["colors"])
    plain = PairDataset(scene_rows(2, (32, 64))[0], STREETS, (32, 64), seed=0)
    plain.set_epoch(1)
    assert torch.equal(plain[0]["photograph"], data[0]["photograph"])  # no other draw has changed


def test_default_colours_are_the_means_of_the_classes() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), dtype=np.uint8)
    ids = np.random.default_rng(1).integers(0, 2, (2, 4, 6), dtype=np.uint8)
    ids[0, 0] = 255
    found = class_colors(zip(pixels, ids, strict=True), 3)
    for kind, row in ((0, 0), (1, 1), (255, 3)):
        assert (found[row] + 1) * 127.5 == pytest.approx(pixels[ids == kind].mean(axis=0), abs=1e-3)
    assert found[2] == pytest.approx(0)  # grey


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@needs_gpu
def test_a_gpu_draws_what_a_cpu_draws() -> None:
    """The same planes of noise, and images within 2 of 255."""
    model = both()
    ids, noise = layouts(model), model.noise([3, 4])
    on_cpu = model(ids, noise=noise).detach()
    assert all(torch.equal(a, b) for a, b in zip(noise, model.cuda().noise([3, 4]), strict=True))
    on_gpu = model(ids.cuda(), noise=noise).detach().cpu()
    assert 127.5 * (on_cpu - on_gpu).abs().max() < 2


@needs_gpu
@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
def test_the_parts_train_on_a_gpu(precision: str, tmp_path: Path) -> None:
    out, environment = tmp_path / precision, {k: v for k, v in ENVIRONMENT.items() if k != "ACCELERATE_USE_CPU"}
    run_script(*SMALL, "--mixed_precision", precision, "--output_dir", out, environment=environment)
    train(*SMALL, "--output_dir", tmp_path / "cpu")
    for on_gpu, on_cpu in zip(log_of(out), log_of(tmp_path / "cpu"), strict=True):
        assert on_gpu["loss"] == pytest.approx(on_cpu["loss"], rel=0.1)


# -- the loss ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loss() -> TextureLoss:
    return TextureLoss(PerceptualLoss(load_features(), len(STREETS)), 1.0, TEXTURE_LAYERS, seed=0)


def seen(pixels: np.ndarray, photograph: np.ndarray, ids: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    image, real = (from_255(torch.from_numpy(p.copy()).permute(2, 0, 1)[None].float()) for p in (pixels, photograph))
    return image[:, None], real, torch.from_numpy(ids)[None]


def test_textures_in_other_places_cost_less_than_none(loss: TextureLoss) -> None:
    """The perceptual loss prefers a flat surface to a texture that has moved; the distance of textures doesn't."""
    texture = np.random.default_rng(0).integers(60, 196, (64, 128, 1), dtype=np.uint8).repeat(3, axis=2)
    texture = gaussian_filter(texture, (1, 1, 0))
    ids = np.zeros((64, 128), np.uint8)
    moved, flat = np.roll(texture, (17, 31), (0, 1)), np.full_like(texture, int(texture.mean()))
    terms = {name: loss(*seen(p, texture, ids))[1] for name, p in (("moved", moved), ("flat", flat))}
    assert float(loss(*seen(texture, texture, ids))[0]) == pytest.approx(0, abs=1e-5)
    assert terms["moved"]["conv1_2"] > 0.9 * terms["flat"]["conv1_2"]
    assert terms["moved"]["texture"] < 0.3 * terms["flat"]["texture"]


def test_cpu_and_gpu_compare_the_same_values(loss: TextureLoss) -> None:
    """The CPU sorts group by group, a GPU all groups in one table."""
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 60, (3, 5)) * rng.integers(0, 2, (3, 5))
    counts[0, 0], counts[1, 1] = 5000, 9  # more than are compared, and the fewest
    places = _Places.draw(counts, None, rng)
    one, other = (torch.randn(places.indices.shape[1], 4, requires_grad=True) for _ in range(2))
    slots = torch.from_numpy(places.indices[1])
    in_table = (places._table(one, slots) - places._table(other, slots)).abs().sum(dim=(0, 2))
    in_groups = places.distances(one, other, slots)
    assert len(in_groups) == len(places.sizes) > 3
    assert torch.allclose(in_groups, in_table, rtol=1e-5)
    gradients = [torch.autograd.grad(found.square().sum(), (one, other)) for found in (in_table, in_groups)]
    assert all(torch.allclose(a, b, rtol=1e-4) for a, b in zip(*gradients, strict=True))


def test_terms_add_up_and_the_weight_grows_at_first(loss: TextureLoss) -> None:
    ids, picture = street_scene(1, (64, 128))
    pixels = np.asarray(picture)
    arguments = seen(gaussian_filter(pixels, (2, 2, 0)), pixels, ids)
    try:
        loss.begin_step(0, 0.05)
        total, terms = loss(*arguments)
        assert total == pytest.approx(float(sum(terms.values())), rel=1e-5)
        loss.begin_step(0, 0.5)
        assert loss(*arguments)[1]["texture"] == pytest.approx(2 * float(terms["texture"]), rel=1e-5)
        assert torch.equal(loss(*arguments)[0], loss(*arguments)[0])
        loss.begin_step(1, 0.5)
        assert loss(*arguments)[1]["texture"] != 2 * terms["texture"]
    finally:
        loss.begin_step(0, 1.0)


def test_of_several_images_the_best_counts_for_each_class(loss: TextureLoss) -> None:
    ids, picture = street_scene(1, (64, 128))
    pixels = np.asarray(picture)
    good, bad = (seen(p, pixels, ids)[0] for p in (pixels, 255 - pixels))
    _, real, layout = seen(pixels, pixels, ids)
    images = torch.cat([bad, good], dim=1).requires_grad_()
    total, terms = loss(images, real, layout)
    assert terms["texture"] == pytest.approx(0, abs=1e-5)
    total.backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()


@pytest.mark.parametrize("best_image", ["per_class", "per_layout"])
def test_image_by_image_the_loss_and_its_gradient_are_the_same(best_image: str) -> None:
    ids, picture = street_scene(1, (64, 128))
    pixels = np.asarray(picture)
    _, real, layout = seen(pixels, pixels, ids)
    images = [seen(gaussian_filter(pixels, (size, size, 0)), pixels, ids)[0] for size in (1, 2, 4)]
    images[0] = images[0] + 0.5 * (torch.arange(128) > 64)  # so that no image is the best everywhere
    found = []
    for image_by_image in (False, True):
        perceptual = PerceptualLoss(load_features(), len(STREETS), best_image=best_image, image_by_image=image_by_image)  # type: ignore[arg-type]
        loss = TextureLoss(perceptual, 1.0, TEXTURE_LAYERS, seed=0)
        given = torch.cat(images, dim=1).requires_grad_()
        total, terms = loss(given, real, layout)
        total.backward()
        found.append((total.detach(), terms["texture"], given.grad))
    for one, other in zip(*found, strict=True):
        assert one is not None
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_in_half_precision_the_loss_is_in_float32_and_gradients_are_nearly_the_same(precision: torch.dtype) -> None:
    model, loss = (
        both().train(),
        TextureLoss(PerceptualLoss(load_features(), len(STREETS)), 1.0, TEXTURE_LAYERS, seed=0),
    )
    ids, picture = street_scene(1, model.size)
    _, real, layout = seen(np.asarray(picture), np.asarray(picture), ids)
    found = []
    for enabled in (False, True):
        model.zero_grad()
        with torch.autocast("cpu", precision, enabled=enabled):
            images = model(layout, real, model.noise(5))
            assert images.dtype == (precision if enabled else torch.float32)
            total, terms = loss(images, real, layout)
        assert {term.dtype for term in (total, *terms.values())} == {torch.float32}
        total.backward()
        found.append((total.detach(), torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])))
    (whole, gradient), (half, of_half) = found
    assert half == pytest.approx(float(whole), rel=0.02)
    assert of_half.isfinite().all()
    assert torch.cosine_similarity(gradient, of_half, dim=0) > 0.95


# -- training ----------------------------------------------------------------------------------------

SMALL = (
    f"--system crn-textures --resolution 32 --widths 6 6 6 4 --max_train_samples 8 --use_ema --random_flip "
    f"--gradient_accumulation_steps 2 --max_train_steps {STEPS} --checkpointing_steps {EVERY} --validation_steps 3"
).split()


def test_a_run_with_the_parts_ends_the_same_when_killed_and_resumed(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(*SMALL, "--output_dir", whole)
    arguments = [*SMALL, "--output_dir", str(killed)]
    die(arguments, "accelerate:Accelerator.backward", 11, "before")
    train(*arguments, "--resume_from_checkpoint", "latest")
    assert_same(whole, killed)
    model = CRN.from_pretrained(whole)
    assert (model.region_colors, model.noise_planes) == (True, True)
    assert model.default_colors.abs().max() > 0.01
    assert json.loads((whole / "training.json").read_text())["settings"]["texture_weight"] == 1.25
    assert [entry["texture"] > 0 for entry in log_of(whole)] == [False] + [True] * (STEPS - 1)  # the weight starts at 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--system crn --texture_weight 2", "--texture_weight: the system crn has no texture loss; leave it out."),
        ("--system crn-textures --texture_weight 0", "texture"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: str, message: str, tmp_path: Path) -> None:
    assert message in fails(*arguments.split(), "--output_dir", tmp_path / "run")


def test_a_model_without_the_parts_is_a_start_for_one_with_them(tmp_path: Path) -> None:
    CRN(ClassSet.camvid(), (6, 6, 6, 4)).save_pretrained(tmp_path / "plain")
    few = "--system crn-textures --resolution 32 --max_train_samples 4 --max_train_steps 1 --num_images 2".split()
    done = train(*few, "--init_from", tmp_path / "plain", "--output_dir", tmp_path / "run")
    assert "4 of 4 modules start from" in done.stdout
    assert CRN.from_pretrained(tmp_path / "run").noise_planes


# -- narrower ----------------------------------------------------------------------------------------


def test_a_cascade_is_narrowed_to_the_channels_that_are_heard() -> None:
    """A channel that nothing hears goes first; the normalisation is over all channels, so images change a little."""
    model, ids = both(), layouts(both(), 1)
    with torch.no_grad():
        model.default_colors.uniform_(-1, 1)
        model.stages[0].norm1.weight.uniform_(0.9, 1.1)
        model.stages[0].conv2.weight[:, 3] = 0
    narrowed, same = narrow(model, (7, 6, 5, 4)), narrow(model, WIDTHS)
    assert (narrowed.widths, narrowed.region_colors, narrowed.noise_planes) == ((7, 6, 5, 4), True, True)
    assert torch.equal(same(ids), model(ids))
    kept = [0, 1, 2, 4, 5, 6, 7]
    assert torch.equal(narrowed.stages[0].norm1.weight, model.stages[0].norm1.weight[kept])
    assert torch.equal(narrowed.stages[0].noise1, model.stages[0].noise1[kept])
    assert (narrowed(ids) - model(ids)).abs().mean() < 0.2 * model(ids).std()
    for widths in ((9, 6, 5, 4), (8, 6, 5)):
        with pytest.raises(ValueError, match=r"the widths must be 4 numbers of at most \[8, 6, 5, 4\]"):
            narrow(model, widths)
