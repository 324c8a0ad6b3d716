"""Fog, grain and garish colours, told apart by contrast, colourfulness, brightness and textures."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import wasserstein_distance

from crn_hub import ClassSet
from crn_hub.data import PairDataset, load_splits, scene_rows, spread
from crn_hub.metrics.appearance import SCALES, brightness, colourfulness, contrasts, sums_of_signals
from crn_hub.metrics.joining import Joining, regions
from crn_hub.metrics.meter import Meter, RowMeasurements
from crn_hub.metrics.picture_sources import Photographs
from crn_hub.metrics.summary import RATIOS, Summary, summarise
from crn_hub.metrics.texture import compare_textures, texture_quantiles
from crn_hub.segmentation import SmallSegmenter
from crn_hub.segmentation.agreement import class_iou
from crn_hub.vgg import load_features

STREETS = ClassSet.streets()
ALL = Joining(STREETS, [True] * len(STREETS))
SIZE = (128, 256)
ROWS = 12
BANDS = [f"contrast_{scale}" for scale in SCALES]


# -- the signals themselves --------------------------------------------------------------------------


def sums(pixels: np.ndarray, ids: np.ndarray | None = None) -> np.ndarray:
    return sums_of_signals(pixels, np.zeros(pixels.shape[:2], np.uint8) if ids is None else ids, 2)


def waves(length: float) -> np.ndarray:
    """uint8 (256, 512, 3): grey waves of a length in pixels."""
    shade = 127.5 + 60 * np.sin(2 * np.pi * np.arange(512) / length)
    return np.broadcast_to(shade[None, :, None], (256, 512, 3)).round().astype(np.uint8)


@pytest.mark.parametrize(("length", "strongest"), [(3, 0), (9, 1), (18, 2), (36, 3), (72, 4)])
def test_a_wave_is_in_the_band_of_its_length(length: float, strongest: int) -> None:
    assert contrasts(sums(waves(length)))[0].argmax() == strongest


def test_bands_scale_with_the_picture() -> None:
    small, large = sums(waves(18)[::2, ::2]), sums(waves(18))
    assert contrasts(small)[0, 2:] == pytest.approx(contrasts(large)[0, 2:], rel=0.05)


def test_colourfulness_is_that_of_the_paper() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    red, green, blue = pixels.reshape(-1, 3).T.astype(float)
    rg, yb = red - green, 0.5 * (red + green) - blue
    expected = np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())
    assert colourfulness(sums(pixels))[0] == pytest.approx(expected)
    assert colourfulness(sums(waves(18)))[0] == pytest.approx(0, abs=1e-9)


def test_signals_of_classes_are_those_of_their_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    ids = np.zeros((32, 64), np.uint8)
    ids[:, 20:30], ids[:, 60:] = 1, 255
    found = sums(pixels, ids)
    assert found[:, 0].tolist() == [32 * 50, 32 * 10, 32 * 4]
    luma = pixels @ [0.299, 0.587, 0.114]
    assert brightness(found) == pytest.approx([luma[ids == kind].mean() for kind in (0, 1, 255)])
    assert brightness(found.sum(axis=0)) == pytest.approx(luma.mean())
    assert np.isnan(brightness(sums(pixels))[1:]).all()


# -- textures ----------------------------------------------------------------------------------------


def test_the_distance_of_textures_is_scipys() -> None:
    """Over directions, of two rows that count differently; the unit is the distance between the halves."""
    random = np.random.default_rng(0)
    real, given = (np.sort(random.normal(shift, 1, (2, 1, 1, 3, 8))) for shift in (0, 0.7))
    pixels = np.array([[30.0], [10.0]]), np.array([[20.0], [20.0]])

    def apart(one: list, other: list) -> float:
        """Of rows of quantiles (D, Q) with their weights."""
        return float(
            np.mean(
                [
                    wasserstein_distance(
                        np.concatenate([row[d] for row, _ in one]),
                        np.concatenate([row[d] for row, _ in other]),
                        np.repeat([w for _, w in one], 8),
                        np.repeat([w for _, w in other], 8),
                    )
                    for d in range(3)
                ]
            )
        )

    def rows(of: np.ndarray, weights: np.ndarray, drawn: list[int]) -> list:
        return [(of[i, 0, 0], float(weights[i, 0]) * drawn[i]) for i in range(2) if drawn[i]]

    unit = apart(rows(real, pixels[1], [1, 0]), rows(real, pixels[1], [0, 1]))
    often = np.array([[1, 1], [2, 0]])
    over_all, of_classes = compare_textures(given, real, pixels, (often, often))
    for found, drawn in zip(over_all, ([1, 1], [2, 0]), strict=True):
        expected = apart(rows(given, pixels[0], drawn), rows(real, pixels[1], drawn)) / unit
        assert found == pytest.approx(expected, rel=1e-5)
    assert of_classes == pytest.approx(over_all[:1])
    assert compare_textures(given, real, pixels)[0] == pytest.approx(over_all[:1])


def test_textures_are_described_where_there_is_enough_of_a_class() -> None:
    torch.manual_seed(0)
    segmenter = SmallSegmenter(STREETS, (64, 128)).eval()
    ids = np.zeros((64, 128), np.uint8)
    ids[:, 64:] = 11  # window
    ids[:4, :8] = 3  # too small
    pixels = torch.randint(0, 256, (1, 3, 64, 128), dtype=torch.uint8)
    found = texture_quantiles(segmenter, pixels, ids, STREETS)
    described = ~np.isnan(found).any(axis=(2, 3))
    assert regions(STREETS)[-1] == [1, 11, 12]
    assert np.flatnonzero(described[0]).tolist() == [0, 3, 11, 14]  # 3 has 8 places in the largest layer only
    assert np.flatnonzero(described[1]).tolist() == [0, 11, 14]
    assert np.array_equal(found[:, 11], found[:, 14], equal_nan=True)  # there is nothing else of a building
    assert (np.diff(found[0, 0], axis=-1) >= 0).all()
    assert np.array_equal(found, texture_quantiles(segmenter, pixels, ids, STREETS), equal_nan=True)


# -- known answers -----------------------------------------------------------------------------------


def blurred(pixels: np.ndarray) -> np.ndarray:
    return gaussian_filter(pixels, (2, 2, 0))


def blurred_with_grain(pixels: np.ndarray) -> np.ndarray:
    return blurred(pixels) + np.random.default_rng(0).normal(0, 10, pixels.shape[:2])[..., None]


def oversaturated(pixels: np.ndarray) -> np.ndarray:
    grey = pixels.mean(axis=-1, keepdims=True)
    return grey + 2 * (pixels - grey)


class Changed(Photographs):
    """The photographs of the rows, changed."""

    def __init__(self, data: PairDataset, change: Callable[[np.ndarray], np.ndarray]):
        super().__init__(change.__name__, data)
        self.change = change

    def images(self, index: int) -> np.ndarray:
        return self.change(super().images(index)[0].astype(float)).clip(0, 255).round().astype(np.uint8)[None]


def summaries(data: PairDataset, others: PairDataset) -> dict[str, Summary]:
    """Of photographs, of others, and of changed ones."""
    torch.manual_seed(0)
    segmenter = SmallSegmenter(data.classes, SIZE).eval()  # random features see textures, too
    changed = [Changed(data, change) for change in (blurred, blurred_with_grain, oversaturated)]
    records: dict[str, list[RowMeasurements]] = {}
    for source in [Photographs("themselves", data), Photographs("others", others), *changed]:
        records[source.name] = []
        for pixels, ids in ((source.images(i)[0], source.ids(i)) for i in range(len(data))):
            tensor = torch.from_numpy(pixels).permute(2, 0, 1)[None]
            records[source.name].append(
                {
                    "perceptual": np.zeros(len(STREETS) + 1),
                    "share": np.ones(len(STREETS) + 1),
                    "signals": sums_of_signals(pixels, ids, len(STREETS)),
                    "texture": texture_quantiles(segmenter, tensor, ids, STREETS),
                }
            )
    return {name: summarise(of, records["themselves"], ALL) for name, of in records.items()}


@pytest.fixture(scope="module")
def scenes() -> dict[str, Summary]:
    data = [PairDataset(scene_rows(2 * ROWS, SIZE)[0], STREETS, SIZE) for _ in range(2)]
    data[0].used, data[1].used = [*range(ROWS)], [*range(ROWS, 2 * ROWS)]
    return summaries(*data)


@pytest.fixture(scope="module", params=["camvid", "labelmefacade"])
def photographs(request: pytest.FixtureRequest, streets: Path) -> dict[str, Summary]:
    splits = load_splits(str(streets))
    data = []
    for split in ("validation", "train"):
        rows = splits[split]
        rows = rows.select([i for i, source in enumerate(rows["source"]) if source == request.param])
        data.append(PairDataset(rows, STREETS, SIZE))
        data[-1].used = spread(len(rows), ROWS)
    return summaries(*data)


def check_that_each_is_told_apart(found: dict[str, Summary]) -> None:
    value = {name: {key: m.value for key, m in summary.measures.items()} for name, summary in found.items()}
    same, other, fog, grain, garish = value.values()
    assert all(same[key] == pytest.approx(1) for key in RATIOS)
    assert same["texture"] == pytest.approx(0, abs=1e-6)
    assert all(0.7 < other[key] < 1.4 for key in RATIOS)
    # Fog: the finer the details, the less of them; light is as before.
    assert [fog[band] for band in BANDS] == sorted(fog[band] for band in BANDS)
    assert fog["contrast_1"] < 0.25
    assert fog["contrast_16"] > 0.8
    assert fog["brightness"] == pytest.approx(1, abs=0.02)
    # Grain over fog: the finest band is there again, the middle ones are not.
    assert grain["contrast_1"] > 3 * fog["contrast_1"]
    assert min(grain["contrast_2"], grain["contrast_4"]) < 0.8 * min(grain["contrast_1"], grain["contrast_16"])
    # Garish: twice the colour, everything else much as before.
    assert garish["colourfulness"] > 1.6
    assert all(0.85 < garish[key] < 1.25 for key in (*BANDS, "brightness"))
    for changed in (fog, grain, garish):
        assert changed["texture"] > same["texture"] + 0.1


def test_changed_scenes_are_told_apart(scenes: dict[str, Summary]) -> None:
    check_that_each_is_told_apart(scenes)


def test_changed_photographs_are_told_apart(photographs: dict[str, Summary]) -> None:
    check_that_each_is_told_apart(photographs)


def test_classes_are_told_apart(scenes: dict[str, Summary]) -> None:
    fog = scenes["blurred"].of_classes
    tree, sky = STREETS.names.index("tree"), STREETS.names.index("sky")
    assert fog["contrast_1"][tree] < 0.2  # leaves are gone
    assert fog["texture"][tree] > fog["texture"][sky]  # the sky had none
    assert np.isnan(fog["brightness"][-1])  # every pixel of a scene has a class


# -- classes that count as one -----------------------------------------------------------------------


def test_unknown_parts_count_as_their_wholes() -> None:
    known = [name != "window" for name in STREETS.names]
    joining = Joining(STREETS, known)
    assert joining.parts == ["window", "door"]
    assert joining.counted["building + window + door"] == 1
    assert len(joining.counted) == 11
    counts = np.zeros((13, 14), int)
    counts[1, 11], counts[11, 1], counts[12, 13], counts[0, 12] = 5, 6, 7, 8
    together = joining.add_up(joining.add_up(counts, 0), 1)
    assert together[1, 1] == 11
    assert together[1, 13] == 7  # a door that is nothing
    assert together[0, 1] == 8
    assert together.sum() == counts.sum()
    assert class_iou(together)[1] == pytest.approx(11 / (11 + 7 + 8))
    assert joining.region.tolist()[1] == len(STREETS) + 1


def test_parts_that_all_know_count_as_themselves() -> None:
    assert ALL.parts == []
    assert list(ALL.counted) == list(STREETS.names)
    without_sky = Joining(STREETS, [name != "sky" for name in STREETS.names])
    assert list(without_sky.counted) == list(STREETS.names)  # it is part of nothing


def test_joined_classes_have_the_measures_of_their_pixels_together() -> None:
    """A scene measured with windows that count as walls is the scene measured without windows."""
    camvid, as_camvid = ClassSet.camvid(), STREETS.translation_to(ClassSet.camvid())
    pixels = np.random.default_rng(0).integers(0, 256, (4, 1, *SIZE, 3), dtype=np.uint8)
    tiles = np.random.default_rng(1).integers(0, 13, (4, 8, 16), dtype=np.uint8)
    layouts = tiles.repeat(16, axis=1).repeat(16, axis=2)
    torch.manual_seed(0)
    segmenters = SmallSegmenter(STREETS, SIZE).eval(), SmallSegmenter(STREETS, SIZE, camvid).eval()
    segmenters[1].network.load_state_dict(segmenters[0].network.state_dict())
    found = []
    for classes, segmenter in zip((STREETS, camvid), segmenters, strict=True):
        meter = Meter(classes, load_features(), segmenter, torch.device("cpu"))
        records = []
        for image, layout in zip(pixels, layouts, strict=True):
            ids = layout if classes == STREETS else as_camvid[layout]
            reference = meter.prepare(pixels[0][0], ids)
            records.append(meter.measure(image, 0, reference, ids))
        known = np.array(STREETS.matches_in(camvid)[: len(classes)] != 255)
        found.append(summarise(records, records[::-1], Joining(classes, known)))
    joined, merged = found
    for key, value in merged.measures.items():
        assert joined.measures[key].value == pytest.approx(value.value, rel=1e-4, abs=1e-6, nan_ok=True), key
    for key, values in merged.of_classes.items():
        assert joined.of_classes[key][[*range(11), 13]] == pytest.approx(values, rel=1e-4, abs=1e-6, nan_ok=True), key
