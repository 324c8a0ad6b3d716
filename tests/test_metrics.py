"""Measures against known answers and independent implementations."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex
from torchmetrics.image.kid import KernelInceptionDistance

from crn_hub import ClassSet
from crn_hub.data import PairDataset, scene_rows
from crn_hub.losses import PerceptualLoss
from crn_hub.metrics.distributions import Resampling, frechet_distance, kernel_distance
from crn_hub.metrics.joining import Joining
from crn_hub.metrics.library_networks import load_inception, load_lpips
from crn_hub.metrics.measuring import measure_rows
from crn_hub.metrics.meter import Meter, RowMeasurements
from crn_hub.metrics.picture_sources import Photographs
from crn_hub.metrics.summary import RATIOS, Summary, summarise
from crn_hub.segmentation import Segmenter
from crn_hub.segmentation.agreement import class_iou, count_pixels, pixel_accuracy
from crn_hub.vgg import load_features

STREETS = ClassSet.streets()
ALL = Joining(STREETS, [True] * len(STREETS))
ONE = Joining(ClassSet(["thing"], [(1, 1, 1)]), [True])
SIZE = (64, 128)
ROWS = 12


class Oracle(Segmenter):
    """Knows the pictures and their label maps by heart; what it has not seen is all sky."""

    def __init__(self, data: PairDataset):
        super().__init__("oracle", data.classes, np.arange(len(data.classes)), None)
        self.answers = {}
        for pair in (data[i] for i in range(len(data))):
            pixels = ((pair["photograph"] + 1) * 127.5).round()
            self.answers[pixels.numpy().tobytes()] = pair["ids"].masked_fill(pair["ids"] == 255, 3).long()

    def scores_of_labels(self, images: Tensor) -> tuple[Tensor, Tensor]:
        ids = [self.answers.get(image.numpy().tobytes(), torch.zeros(SIZE).long()) for image in images]
        return nn.functional.one_hot(torch.stack(ids), len(STREETS)).permute(0, 3, 1, 2).float(), images.mean((2, 3))

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        return []


class Shuffled(Photographs):
    """The photographs of the rows, each in the place of another."""

    def images(self, index: int) -> np.ndarray:
        return super().images((index + 5) % ROWS)


class Noise(Photographs):
    def images(self, index: int) -> np.ndarray:
        return np.random.default_rng(index).integers(0, 256, (3, *SIZE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def data() -> PairDataset:
    return PairDataset(scene_rows(ROWS, SIZE)[0], STREETS, SIZE)


@pytest.fixture(scope="module")
def meter(data: PairDataset) -> Meter:
    return Meter(STREETS, load_features(), Oracle(data), torch.device("cpu"))


@pytest.fixture(scope="module")
def records(
    data: PairDataset, meter: Meter, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[RowMeasurements]]:
    """Of the photographs themselves, in another order, and of noise."""
    sources = [Photographs("themselves", data), Shuffled("shuffled", data), Noise("noise", data)]
    found = measure_rows(sources, data, meter, tmp_path_factory.mktemp("rows"), {})
    return {source.name: found[source.key] for source in sources}


@pytest.fixture(scope="module")
def summaries(records: dict[str, list[RowMeasurements]]) -> dict[str, Summary]:
    return {name: summarise(of, records["themselves"], ALL) for name, of in records.items()}


def value(summary: Summary, measure: str) -> float:
    return summary.measures[measure].value


# -- known answers -----------------------------------------------------------------------------------


def test_a_set_with_itself(summaries: dict[str, Summary]) -> None:
    same = summaries["themselves"]
    scale = value(summaries["noise"], "frechet_perceptual")
    for distance in ("frechet_perceptual", "frechet_segmenter"):
        assert value(same, distance) < 1e-5 * scale
    assert value(same, "kernel_perceptual") <= 0  # unbiased: below 0 for sets more alike than two samples
    assert value(same, "perceptual") == 0
    assert value(same, "ssim") == pytest.approx(1, abs=1e-6)
    assert value(same, "psnr") == float("inf")
    assert value(same, "miou") == value(same, "pixel_accuracy") == 1
    for ratio in RATIOS:
        assert value(same, ratio) == pytest.approx(1)
        assert np.nan_to_num(same.of_classes[ratio], nan=1) == pytest.approx(1)


def test_a_shuffled_copy_is_as_real_and_not_faithful(summaries: dict[str, Summary]) -> None:
    shuffled = summaries["shuffled"]
    assert value(shuffled, "frechet_perceptual") < 1e-5 * value(summaries["noise"], "frechet_perceptual")
    assert value(shuffled, "kernel_perceptual") == pytest.approx(value(summaries["themselves"], "kernel_perceptual"))
    assert 0.5 < value(shuffled, "perceptual") < 1.5  # 1 is what two photographs differ by on average
    assert value(shuffled, "psnr") < 20
    assert value(shuffled, "miou") < 0.8


def test_noise_is_neither(summaries: dict[str, Summary]) -> None:
    noise, shuffled = summaries["noise"], summaries["shuffled"]
    for distance in ("kernel_perceptual", "frechet_perceptual", "frechet_segmenter", "perceptual"):
        assert value(noise, distance) > value(shuffled, distance)
    assert value(noise, "ssim") < 0.1
    assert value(noise, "miou") < 0.2
    assert value(noise, "diversity") > 0.1
    assert "diversity" not in shuffled.measures


# -- independent implementations ---------------------------------------------------------------------


def features(seed: int, shift: float = 0.0, count: int = 60, channels: int = 40) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.normal(size=(count, channels)) @ random.normal(size=(channels, channels)) + shift


@pytest.mark.parametrize(("count", "channels"), [(60, 8), (20, 50)])
def test_frechet_distance_is_that_of_the_formula(count: int, channels: int) -> None:
    real, given = features(0, 0, count, channels), features(1, 2, count, channels)
    covariances = np.cov(real.T), np.cov(given.T)
    root = sqrtm(covariances[0] @ covariances[1]).real
    expected = ((real.mean(0) - given.mean(0)) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(real, given) == pytest.approx(expected, rel=1e-4)
    assert Resampling(real, given).frechet(np.arange(count)) == pytest.approx(expected, rel=1e-4)


def test_a_shift_is_its_length_squared() -> None:
    real = features(0)
    assert frechet_distance(real, real + 3) == pytest.approx(9 * 40, rel=1e-5)


def test_kernel_distance_is_that_of_the_formula() -> None:
    real, given = features(0, 0, 15), features(1, 1, 15)

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 40 + 1) ** 3)

    within = sum(kernel(s[i], s[j]) for s in (real, given) for i in range(15) for j in range(15) if i != j)
    across = sum(kernel(x, y) for x in real for y in given)
    expected = within / (15 * 14) - 2 * across / 15**2
    assert kernel_distance(real, given) == pytest.approx(expected, rel=1e-8)
    assert Resampling(real, given).kernel(np.arange(15)) == pytest.approx(expected, rel=1e-8)


def test_kernel_distance_is_kid_of_one_subset() -> None:
    class Given(nn.Module):
        num_features = 40

        def forward(self, features: Tensor) -> Tensor:
            return features

    real, given = features(0), features(1, 1)
    kid = KernelInceptionDistance(feature=Given(), subsets=1, subset_size=60)
    kid.update(torch.from_numpy(real), real=True)
    kid.update(torch.from_numpy(given), real=False)
    assert kernel_distance(real, given) == pytest.approx(kid.compute()[0].item(), rel=1e-5)


def test_resamples_are_those_of_the_rows() -> None:
    real, given, rows = features(0), features(1, 1), np.array([3, 3, 7, 20, 41, 5, 5, 5, 59, 0])
    again = Resampling(real, given)
    assert again.frechet(rows) == pytest.approx(frechet_distance(real[rows], given[rows]), rel=1e-3)
    assert again.kernel(rows) == pytest.approx(kernel_distance(real[rows], given[rows]), rel=1e-8)


def test_perceptual_distance_is_the_loss(
    data: PairDataset, meter: Meter, records: dict[str, list[RowMeasurements]]
) -> None:
    loss = PerceptualLoss(load_features(), len(STREETS))
    loss.layer_weights.copy_(meter.layer_weights)
    given = torch.from_numpy(Shuffled("", data).images(2)).permute(0, 3, 1, 2)[None] / 127.5 - 1
    pair = data[2]
    expected, _ = loss(given, pair["photograph"][None], pair["ids"][None])
    assert records["shuffled"][2]["perceptual"].sum() == pytest.approx(expected.item(), rel=1e-3)
    only_sky = torch.where(pair["ids"] == 0, 0, 255)
    outside = loss._errors(given, *loss.wanted(pair["photograph"][None], only_sky[None]))[0, 0, 0].sum()
    assert records["shuffled"][2]["perceptual"][0] == pytest.approx(outside.item(), rel=1e-3)


def test_diversity_is_the_mean_over_the_pairs(
    data: PairDataset, meter: Meter, records: dict[str, list[RowMeasurements]]
) -> None:
    images = torch.from_numpy(Noise("", data).images(4)).permute(0, 3, 1, 2).float()
    layers = [load_features()(image[None]) for image in images]
    apart = [
        sum(w * (a - b).abs().mean() for w, a, b in zip(meter.layer_weights, layers[i], layers[j], strict=True))
        for i, j in combinations(range(3), 2)
    ]
    assert records["noise"][4]["diversity"] == pytest.approx(sum(apart).item() / 3, rel=1e-3)


def test_two_photographs_are_1_apart(data: PairDataset, meter: Meter) -> None:
    references = [meter.prepare(Photographs("", data).images(i)[0], data[i]["ids"].numpy()) for i in range(4)]
    fresh = Meter(STREETS, load_features(), None, torch.device("cpu"))
    fresh.calibrate(combinations(references, 2))
    apart = [
        fresh.measure(Photographs("", data).images(i), 0, references[j], references[j].ids)["perceptual"].sum()
        for i, j in combinations(range(4), 2)
    ]
    assert np.mean(apart) == pytest.approx(1, rel=1e-4)


def test_agreement_is_that_of_torchmetrics() -> None:
    random = np.random.default_rng(0)
    found, wanted = (random.integers(0, 5, (30, 40), dtype=np.uint8) for _ in range(2))
    wanted[random.random(wanted.shape) < 0.2] = 255
    wanted[wanted == 4] = 3  # class 4 is found but never wanted
    counts = count_pixels(found, wanted, 5)
    pair = torch.from_numpy(found).long(), torch.from_numpy(wanted).long()
    jaccard = MulticlassJaccardIndex(5, average="none", ignore_index=255)(*pair).numpy()
    assert class_iou(counts)[:4] == pytest.approx(jaccard[:4])
    assert np.isnan(class_iou(counts)[4])
    accuracy = MulticlassAccuracy(5, average="micro", ignore_index=255)(*pair)
    assert pixel_accuracy(counts) == pytest.approx(accuracy.item())


def test_what_belongs_to_no_class_is_a_miss() -> None:
    counts = count_pixels(np.array([[255, 0]], np.uint8), np.array([[0, 0]], np.uint8), 2)
    assert class_iou(counts)[0] == 0.5
    assert pixel_accuracy(counts) == 0.5


def test_classes_that_the_segmenter_cannot_find_do_not_count(data: PairDataset) -> None:
    oracle = Oracle(data)
    oracle.findable[1] = 255  # building
    measured = Meter(STREETS, load_features(), oracle, torch.device("cpu"))
    reference = measured.prepare(Photographs("", data).images(0)[0], data[0]["ids"].numpy())
    black = np.zeros((1, *SIZE, 3), np.uint8)  # all sky, says the oracle
    counts = measured.measure(black, 0, reference, reference.ids)["counts"]
    assert counts[1].sum() == 0
    assert counts[:, 0].sum() == counts.sum() < (data[0]["ids"] != 255).sum()


# -- intervals ---------------------------------------------------------------------------------------


def rows_of(values: np.ndarray, **more: np.ndarray) -> list[RowMeasurements]:
    """Records with nothing but a perceptual distance, and more."""
    share = np.array([1.0, 0.0])
    return [
        {"perceptual": np.array([v, 0.0]), "share": share, **{k: of[i] for k, of in more.items()}}
        for i, v in enumerate(values)
    ]


def test_the_interval_of_a_mean_is_the_textbooks() -> None:
    values = np.random.default_rng(0).normal(5, 2, 100)
    records = rows_of(values)
    found = summarise(records, records, ONE).measures["perceptual"]
    assert found.value == pytest.approx(values.mean())
    assert found.low is not None
    assert found.high is not None
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * values.std() / 10, rel=0.2)
    assert (found.high + found.low) / 2 == pytest.approx(found.value)


@pytest.fixture(scope="module")
def draws() -> list[Summary]:
    """Of both distances between two sets, over fresh draws of both."""
    found = []
    for seed in range(30):
        random = np.random.default_rng(seed)
        real, given = random.normal(size=(80, 6)), random.normal(0.7, 1.3, size=(80, 6))
        zero = np.zeros(80)
        sets = rows_of(zero, features_perceptual=given), rows_of(zero, features_perceptual=real)
        found.append(summarise(*sets, ONE))
    return found


@pytest.mark.parametrize("measure", ["frechet_perceptual", "kernel_perceptual"])
def test_intervals_of_distances_are_as_wide_as_their_scatter(draws: list[Summary], measure: str) -> None:
    """Against the scatter of the distance itself."""
    found = [summary.measures[measure] for summary in draws]
    scatter = np.std([f.value for f in found])
    widths = [(f.high - f.low) / 2 / 1.96 for f in found if f.high is not None and f.low is not None]
    assert len(widths) == 30
    assert 0.6 < np.mean(widths) / scatter < 1.6


def test_mean_iou_is_that_of_all_rows_together() -> None:
    counts = np.array([[[5, 5, 0], [0, 0, 0]], [[0, 0, 0], [0, 8, 0]]])  # rows with different classes
    records = rows_of(np.zeros(2), counts=counts)
    for record in records:
        record |= {"perceptual": np.zeros(3), "share": np.ones(3)}
    found = summarise(records, records, Joining(ClassSet("ab", [(1, 1, 1), (2, 2, 2)]), [True, True]))
    assert found.of_classes["iou"] == pytest.approx([5 / 10, 8 / 13, np.nan], nan_ok=True)
    assert value(found, "miou") == pytest.approx((5 / 10 + 8 / 13) / 2)
    assert value(found, "pixel_accuracy") == pytest.approx(13 / 18)


# -- networks that other libraries fetch -------------------------------------------------------------


def test_fid_and_lpips_with_weights_in_the_cache(
    data: PairDataset, torch_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loading code of torch-fidelity and torchvision."""
    monkeypatch.setenv("TORCH_HOME", str(torch_home))
    meter = Meter(STREETS, load_features(), None, torch.device("cpu"))
    assert (meter.no_inception, meter.no_lpips) == ("", "")
    sources = [Photographs("themselves", data), Noise("noise", data)]
    data.used = data.used[:3]
    found = measure_rows(sources, data, meter, tmp_path / "rows", {})
    data.used = list(range(ROWS))
    themselves, noise = (summarise(found[s.key], found[sources[0].key], ALL) for s in sources)
    assert value(themselves, "lpips") == 0
    assert value(noise, "lpips") > 0
    assert value(noise, "lpips_diversity") > 0
    assert found[sources[0].key][0]["features_inception"].shape == (2048,)
    assert value(themselves, "fid") < 1e-3 * value(noise, "fid")
    assert value(noise, "kid") > value(themselves, "kid")


class Harmful:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("harm"),)


def test_nothing_but_tensors_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("alexnet-owt-7be5be79.pth", "weights-inception-2015-12-05-6726825d.pth"):
        torch.save({"features.0.weight": Harmful()}, folder / name)
    for load in (load_inception, load_lpips):
        network, trouble = load()
        assert network is None
        assert "weights" in trouble.lower()
    assert not (tmp_path / "harm").exists()


def test_photographs_that_are_all_alike_are_refused(data: PairDataset, meter: Meter) -> None:
    one = meter.prepare(np.zeros((*SIZE, 3), np.uint8), data[0]["ids"].numpy())
    with pytest.raises(ValueError, match="all the same"):
        meter.calibrate([(one, one)])
