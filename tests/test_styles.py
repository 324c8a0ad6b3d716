"""Styles: the colours of one photograph's regions, from training to photographs, cards and evaluations."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.command_line import crn
from support.data_folders import write_folder
from support.evaluations import results
from support.training_script import train

from crn_hub import CRN, ClassSet, UNet
from crn_hub.classes import UNLABELLED
from crn_hub.data import PairDataset, find_classes, load_rows
from crn_hub.metrics.picture_sources import ModelOnRows
from crn_hub.region_colors import find_regions
from crn_hub.scenes import street_scene
from crn_hub.styles import Style, StyleMix, choose_styles, styles_from_config
from crn_hub.styles.style import CELLS, SPREAD

STREETS = ClassSet.streets()
SKY, BUILDING, ROAD, CAR = (STREETS.names.index(name) for name in ("sky", "building", "road", "car"))
KINDS = [*range(len(STREETS)), UNLABELLED]
SIZE = (64, 128)


def plain(name: str, color: tuple[int, int, int], kinds: list[int] = KINDS) -> Style:
    return Style(name, {kind: ((color, 1.0),) for kind in kinds}, {"": 1})


def two_cars() -> tuple[np.ndarray, np.ndarray]:
    """A photograph, and what it shows: two cars on a road, and a few pixels of sky."""
    ids = np.full(SIZE, ROAD, np.uint8)
    ids[20:40, 10:50] = ids[20:40, 70:110] = CAR
    ids[:2, :4] = SKY
    pixels = np.full((*SIZE, 3), 90, np.uint8)
    pixels[20:40, 10:50], pixels[20:40, 70:110] = (200, 0, 0), (0, 0, 200)
    pixels[:2, :4] = (240, 240, 255)
    return pixels, ids


@pytest.fixture(scope="module")
def model() -> CRN:
    torch.manual_seed(0)
    model = CRN(STREETS, (8, 6, 5, 4, 4), region_colors=True, noise_planes=True).eval()
    model.set_styles([plain("bright", (220, 220, 210)), plain("dark", (30, 30, 40))])
    return model


@pytest.fixture(scope="module")
def folder(model: CRN, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("styled") / "styled"
    model.save_pretrained(folder)
    return folder


def mean(picture: Image.Image) -> float:
    return float(np.asarray(picture).mean())


# -- of a photograph ---------------------------------------------------------------------------------


def test_a_photographs_style_has_the_colours_of_its_regions(tmp_path: Path) -> None:
    pixels, ids = two_cars()
    style = Style.from_photograph(pixels, ids, name="two cars")
    assert style.colors == {
        ROAD: (((90, 90, 90), 1.0),),
        CAR: (((200, 0, 0), 0.5), ((0, 0, 200), 0.5)),
        SKY: (((240, 240, 255), 1.0),),  # too small to be a region, so that of the class
    }
    assert style.mean(CAR).tolist() == [100, 0, 100]
    Image.fromarray(pixels).save(tmp_path / "photograph.png")
    STREETS.to_image(ids).save(tmp_path / "layout.png")
    files = tmp_path / "photograph.png", tmp_path / "layout.png"
    assert Style.from_photograph(*files, STREETS).colors == style.colors


@pytest.mark.parametrize(
    ("photograph", "layout", "message"),
    [
        (two_cars()[0], "layout.png", "the layout must be an array of ids"),
        (two_cars()[0][:32], two_cars()[1], "the photograph has 128 x 32 pixels, its layout 128 x 64"),
        (two_cars()[0][..., 0], two_cars()[1], r"must be uint8 \(H, W, 3\), RGB, not uint8 \(64, 128\)"),
        (two_cars()[0] / 255, two_cars()[1], "not float64"),
        ("nowhere.jpg", two_cars()[1], "nowhere.jpg: no such file"),
        (Path(__file__), two_cars()[1], r"test_styles\.py: not readable as a photograph"),
    ],
)
def test_what_is_no_photograph_with_its_layout_is_refused(photograph: Any, layout: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Style.from_photograph(photograph, layout)


def test_what_a_photograph_lacks_comes_from_those_most_like_it() -> None:
    evening = plain("", (60, 50, 40), [SKY, ROAD])
    others = [plain("", (64, 50, 40)), plain("", (66, 50, 40)), plain("", (200, 200, 200))]
    wrong = Style("", {**evening.colors, CAR: (((255, 255, 255), 1.0),)})  # near, but its car is a label's mistake
    completed = evening.completed([*others, wrong], KINDS)
    assert completed.mean(SKY).tolist() == [60, 50, 40]
    assert completed.mean(CAR)[0] in (64, 66, 200)
    assert evening.completed(others[:2], KINDS).mean(CAR)[0] in (64, 66)
    assert set(completed.colors) == set(KINDS)


# -- on a layout -------------------------------------------------------------------------------------


def test_each_region_has_a_colour_of_its_own_near_those_of_the_style() -> None:
    _, ids = two_cars()
    style = Style.from_photograph(*two_cars())
    colors = style.paint(ids, 0)
    assert colors.shape == (3, *SIZE)
    assert colors.dtype == np.float32
    regions = find_regions(ids)
    assert all(len(np.unique(colors[:, regions.number == n], axis=1).T) == 1 for n in np.unique(regions.number))
    assert colors[:, 0, 0] == pytest.approx(np.array([240, 240, 255]) / 127.5 - 1, abs=1e-6)  # small: no deviation
    seen = Counter()
    for seed in range(40):
        left = (style.paint(ids, seed)[:, 30, 30] + 1) * 127.5
        nearest = min(((200, 0, 0), (0, 0, 200)), key=lambda color: np.abs(left - color).sum())
        assert np.abs(left - nearest).max() < 25
        seen[nearest] += 1
    assert min(seen.values()) > 8  # of two that are equally frequent
    assert np.array_equal(style.paint(ids, 3), style.paint(ids, 3))


def test_the_colour_of_a_region_is_drawn_for_the_cell_of_its_middle() -> None:
    ids = np.full((64, 128), SKY, np.uint8)
    ids[41:47, 8:30] = CAR  # its middle: row 43.5 of 64, column 18.5 of 128
    rng = np.random.default_rng((7, CAR, int(43.5 / 64 * CELLS[0]), int(18.5 / 128 * CELLS[1])))
    rng.choice(1, p=[1.0])  # of one colour
    expected = np.array((120, 110, 100)) / 127.5 - 1 + rng.normal(0, SPREAD, 3)
    assert plain("", (120, 110, 100)).paint(ids, 7)[:, 43, 18] == pytest.approx(expected, abs=1e-6)


def test_a_region_has_as_many_pixels_as_a_512th_of_the_picture() -> None:
    ids = np.full((64, 64), SKY, np.uint8)
    ids[2, 3:11] = CAR  # 8 of 4096
    ids[20, 3:10] = CAR
    regions = find_regions(ids)
    assert regions.kinds.tolist() == [SKY, CAR, SKY, CAR]
    assert regions.kinds[: regions.whole].tolist() == [SKY, CAR]
    assert set(regions.number[2, 3:11]) == {3}
    assert set(regions.number[20, 3:10]) == {1}
    assert regions.number[0, 0] == 2


def test_a_stroke_elsewhere_changes_no_other_regions_colour() -> None:
    """Neither what is painted before a region in the order of pixels, nor a class that comes before its own."""
    style = plain("", (120, 110, 100))
    for seed in range(5):
        ids, _ = street_scene(seed, (128, 256))
        changed = ids.copy()
        changed[4:40, 4:60] = CAR
        changed[100:128, 200:256] = SKY
        before, after = (find_regions(layout) for layout in (ids, changed))
        one, other = style.paint(ids, seed), style.paint(changed, seed)
        kept = 0
        for number in np.unique(before.number):
            inside = before.number == number
            same = np.unique(after.number[inside])
            if number < before.whole or len(same) > 1 or (after.number == same[0]).sum() != inside.sum():
                continue  # too small, or itself changed
            assert np.array_equal(one[:, inside], other[:, inside])
            kept += 1
        assert kept >= 2


# -- chosen from many --------------------------------------------------------------------------------


def test_styles_are_spread_over_the_photographs_with_their_frequencies() -> None:
    rng = np.random.default_rng(0)
    lights = [(230, 225, 215), (40, 40, 50), (150, 120, 90)]
    of_each = [20, 6, 12]
    photographs, sources = [], []
    for number, (light, count) in enumerate(zip(lights, of_each, strict=True)):
        for _ in range(count):
            color = tuple(int(c) for c in np.clip(np.array(light) + rng.normal(0, 4, 3), 0, 255))
            lacks = int(rng.integers(len(KINDS)))
            photographs.append(plain("", color, [kind for kind in KINDS if kind != lacks]))  # type: ignore[arg-type]
            sources.append("day" if number == 0 else "night")
    styles = choose_styles(photographs, sources, KINDS)
    assert len({style.name for style in styles}) == len(styles) <= 6
    means = np.array([style.mean(ROAD) for style in styles])
    assert all(np.abs(means - light).max(axis=1).min() < 15 for light in lights)
    assert sum(style.photographs.get("day", 0) for style in styles) == 20
    assert sum(style.photographs.get("night", 0) for style in styles) == 18
    assert [sum(style.photographs.values()) for style in styles] == sorted(
        (sum(style.photographs.values()) for style in styles), reverse=True
    )
    assert all(set(style.colors) == set(KINDS) for style in styles)
    assert any("bright" in style.name for style in styles)
    assert any("dark" in style.name for style in styles)


def test_of_few_photographs_each_is_a_style() -> None:
    styles = choose_styles([plain("", (200, 200, 200), [SKY]), plain("", (10, 10, 60), [ROAD])], ["", ""], [SKY, ROAD])
    assert len(styles) == 2
    assert {tuple(style.mean(SKY)) for style in styles} == {(200, 200, 200)}


# -- config.json -------------------------------------------------------------------------------------


def test_styles_are_saved_with_the_model(model: CRN, folder: Path) -> None:
    loaded = CRN.from_pretrained(folder)
    assert loaded.styles == model.styles
    assert torch.equal(loaded.default_colors, model.default_colors)
    assert loaded.default_colors[SKY].tolist() == pytest.approx([220 / 127.5 - 1, 220 / 127.5 - 1, 210 / 127.5 - 1])
    style = Style.from_photograph(*two_cars()).completed(model.styles, KINDS)
    assert Style.from_config(json.loads(json.dumps(style.to_config(STREETS))), STREETS) == style


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda styles: [], r"styles must be a list of 1 to 64"),
        (lambda styles: {"bright": styles[0]}, "styles must be a list"),
        (lambda styles: [*styles, styles[0]], "two styles have the name bright"),
        (lambda styles: [styles[0] | {"mood": 1}], "a style must have name, colors and photographs"),
        (lambda styles: [styles[0] | {"name": "a\nb"}], "the name of a style must be 1 to 60 printable characters"),
        (lambda styles: [styles[0] | {"name": " "}], "the name of a style"),
        (lambda styles: [styles[0] | {"name": "12"}], "the name of a style"),
        (lambda styles: [styles[0] | {"name": "--help"}], "the name of a style"),
        (lambda styles: [styles[0], styles[1] | {"name": "Bright"}], "two styles have the name bright"),
        (lambda styles: [styles[0] | {"photographs": {"camvid": 2**70}}], "must be counts by source"),
        (lambda styles: [styles[0] | {"photographs": {"a\x1b[31m": 1}}], "must be counts by source"),
        (lambda styles: [styles[0] | {"photographs": {"": True}}], "must be counts by source"),
        (
            lambda styles: [styles[0] | {"colors": {"sky": {"#ffffff": 1}}}],
            "the style bright has no colours for bicyclist, building, car and",
        ),
        (
            lambda styles: [styles[0] | {"colors": styles[0]["colors"] | {"moon": {}}}],
            "has colours for moon, which are no classes",
        ),
        (lambda styles: [styles[0] | {"colors": styles[0]["colors"] | {"sky": {}}}], "1 to 32 colours"),
        (lambda styles: [styles[0] | {"colors": styles[0]["colors"] | {"sky": {"#FFF": 1}}}], 'like "#40a0ff"'),
        (lambda styles: [styles[0] | {"colors": styles[0]["colors"] | {"sky": {"#ffffff": 0}}}], "above 0"),
        (lambda styles: [styles[0] | {"colors": styles[0]["colors"] | {"sky": {"#ffffff": "1"}}}], "above 0"),
    ],
)
def test_damaged_styles_are_refused(model: CRN, change: Any, message: str) -> None:
    styles = [style.to_config(STREETS) for style in model.styles]
    with pytest.raises(ValueError, match=re.escape(message) if "(" not in message else message):
        styles_from_config(change(styles), STREETS)
    with pytest.raises(ValueError, match=r"style|colours"):
        CRN.from_config({**model.config, "styles": change(styles)})


def test_a_model_takes_whole_styles_or_keeps_its_own(folder: Path) -> None:
    """What a style of one's own lacks comes from those that the model had; what it cannot have changes nothing."""
    model = CRN.from_pretrained(folder)
    before, colors = model.styles, model.default_colors.clone()
    for styles, message in (
        ([], "styles must be a list of 1 to 64, not of 0."),
        (["dusk"], "styles must be of the class Style, not str."),
        ([before[0]] * 2, "two styles have the name bright."),
        ([plain("day", (1, 2, 3))] * 65, "styles must be a list of 1 to 64, not of 65."),
        ([plain("7", (1, 2, 3))], "the name of a style must be"),
        ([Style("many", {SKY: (((1, 2, 3), 0.01),) * 33})], "more than 32 colours"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            model.set_styles(styles)  # type: ignore[arg-type]
        assert model.styles == before
        assert torch.equal(model.default_colors, colors)
    model.set_styles(style for style in (Style.from_photograph(*two_cars(), name="mine"), before[1]))
    assert model.styles[0].mean(CAR).tolist() == [100, 0, 100]
    assert model.styles[0].mean(BUILDING).tolist() in ([220, 220, 210], [30, 30, 40])
    assert CRN.from_config(model.config).styles == model.styles
    with pytest.raises(ValueError, match="this network takes no colours of regions, so it has no styles"):
        CRN(STREETS, (4, 4, 4)).set_styles(before)


@pytest.mark.parametrize(
    "shares", [(), (((1, 2, 3), 0),), (((1, 2), 1.0),), (((1, 2, 300), 1.0),), (((1.5, 2, 3), 1.0),), ((None, 1.0),)]
)
def test_a_style_holds_only_colours(shares: Any) -> None:
    with pytest.raises(ValueError, match=r"the colours of class id 0 must be RGB in whole numbers 0\.\.255"):
        Style("", {SKY: shares})


def test_only_networks_with_colours_have_styles(model: CRN) -> None:
    config = {name: value for name, value in model.config.items() if name != "region_colors"}
    with pytest.raises(ValueError, match="styles are for networks with region_colors"):
        CRN.from_config(config)


# -- photographs -------------------------------------------------------------------------------------


def test_style_colours_and_seed_choose_the_photograph(model: CRN) -> None:
    _, ids = two_cars()
    (default,) = model.synthesize(ids)
    assert default == model.synthesize(ids, style="bright")[0] == model.synthesize(ids, style=0, seed=0)[0]
    (dark,) = model.synthesize(ids, style=1)
    assert dark == model.synthesize(ids, style="dark")[0] == model.synthesize(ids, style=model.styles[1])[0]
    assert dark != default
    assert dark == model.synthesize(ids, style=np.int64(1), seed=np.uint8(0), num_images=np.int32(1))[0]  # type: ignore[arg-type]
    assert model.synthesize(ids, seed=1)[0] != default
    of_photograph = model.synthesize(ids, style=Style.from_photograph(*two_cars()))[0]
    assert of_photograph not in (default, dark)
    (own,) = model.synthesize(ids, colors=two_cars()[0])
    assert own == model.synthesize(ids, colors=Image.fromarray(two_cars()[0]))[0]
    assert own not in (default, dark, of_photograph)
    # The network is given what it was given in training.
    guide = torch.from_numpy(model.styles[1].paint(ids, 7))[None]
    with torch.inference_mode():
        images = model(torch.from_numpy(ids)[None], guide, model.noise(7))
    pixels = ((images[0, 0] + 1) * 127.5).clamp(0, 255).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal(pixels, np.asarray(model.synthesize(ids, style="dark", seed=7)[0]))


def test_a_list_of_layouts_makes_one_batch(model: CRN, monkeypatch: pytest.MonkeyPatch) -> None:
    _, ids = two_cars()
    other = np.full((32, 64), ROAD, np.uint8)
    alone = [model.synthesize(layout, style=1, seed=3)[0] for layout in (ids, other)]
    batches = []
    forward = CRN.forward
    monkeypatch.setattr(CRN, "forward", lambda self, ids, *more: batches.append(len(ids)) or forward(self, ids, *more))
    together = model.synthesize([ids, other], style=1, seed=3)
    assert batches == [2]
    assert [picture.size for (picture,) in together] == [(128, 64), (64, 32)]
    for one, (picture,) in zip(alone, together, strict=True):
        assert np.abs(np.asarray(one).astype(int) - np.asarray(picture)).max() <= 1
    assert model.synthesize([]) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"style": "noon"}, "this model has no style 'noon': it has bright; dark; or 0..1."),
        ({"style": 2}, "this model has no style 2"),
        ({"style": True}, "this model has no style True"),
        ({"style": "1"}, "this model has no style '1': it has bright; dark; or 0..1."),
        ({"num_images": True}, "num_images must be 1..1 for this model, not True."),
        ({"seed": True}, "seed must be a whole number"),
        ({"colors": (255, 0, 0)}, "colors must be 1 pictures, one for each layout, not 3."),
        ({"colors": 255}, "a photograph is a path, a PIL image or an array, not int."),
        ({"colors": Image.new("F", (8, 8))}, "a picture of mode F with 8 x 8 pixels cannot be used"),
        ({"colors": "a\0b"}, "not readable as a photograph"),
        ({"style": "bright", "colors": two_cars()[0]}, "style and colors both say"),
        ({"seed": -1}, "seed must be a whole number, 0 or more, not -1."),
        ({"seed": 0.5}, "seed must be a whole number"),
        ({"colors": [two_cars()[0]] * 2}, "colors must be 1 pictures, one for each layout, not 2."),
        ({"colors": "nowhere.png"}, "nowhere.png: no such file."),
    ],
)
def test_choices_that_a_model_does_not_have_are_refused(model: CRN, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        model.synthesize(two_cars()[1], **arguments)


@pytest.mark.parametrize("network", [CRN(STREETS, (4, 4, 4)), UNet(STREETS, (32, 64), 2)])
def test_networks_without_colours_or_noise_say_so(network: Any) -> None:
    _, ids = two_cars()
    with pytest.raises(ValueError, match="this network takes no colours of regions: leave out style and colors"):
        network.synthesize(ids, style=0)
    with pytest.raises(ValueError, match="this network takes no colours of regions"):
        network.synthesize(ids, colors=two_cars()[0])
    with pytest.raises(ValueError, match="this network makes the same photographs with any seed"):
        network.synthesize(ids, seed=1)


def test_a_network_with_one_of_the_parts_takes_what_it_can() -> None:
    _, ids = two_cars()
    noise = CRN(STREETS, (4, 4, 4, 4), noise_planes=True).eval()
    assert noise.synthesize(ids, seed=1) != noise.synthesize(ids)
    with pytest.raises(ValueError, match="this network takes no colours of regions"):
        noise.synthesize(ids, style=0)
    colors = CRN(STREETS, (4, 4, 4, 4), region_colors=True).eval()  # without styles
    assert colors.synthesize(ids) != colors.synthesize(ids, style=Style.from_photograph(*two_cars()))
    with pytest.raises(ValueError, match="this model has no style 0: it has none"):
        colors.synthesize(ids, style=0)
    for given in ({}, {"colors": two_cars()[0]}):
        with pytest.raises(ValueError, match="without noise, a seed only changes the colours that a style gives"):
            colors.synthesize(ids, seed=1, **given)


# -- the commands ------------------------------------------------------------------------------------


def test_synthesize_and_info_know_styles(
    folder: Path, model: CRN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, ids = two_cars()
    STREETS.to_image(ids).save(tmp_path / "street.png")
    common = ["synthesize", folder, tmp_path / "street.png", "--output", tmp_path / "out"]
    for style in ("dark", "1"):
        assert crn(monkeypatch, *common, "--style", style, "--seed", 5) == 0
        with Image.open(tmp_path / "out" / "street.png") as written:
            assert written.tobytes() == model.synthesize(ids, style="dark", seed=5)[0].tobytes()
    capsys.readouterr()
    assert crn(monkeypatch, *common, "--style", "noon") == 2
    assert "this model has no style 'noon': it has bright; dark" in capsys.readouterr().err
    assert crn(monkeypatch, "info", folder) == 0
    printed = capsys.readouterr().out
    assert "2 styles, the first by default" in printed
    assert "  1 dark (50% of the photographs are most like it)" in printed


# -- training ----------------------------------------------------------------------------------------


def test_a_run_ends_with_styles_of_its_photographs(tmp_path: Path) -> None:
    out = tmp_path / "run"
    small = "--resolution 32 --widths 6 6 6 4 --max_train_samples 20 --max_train_steps 2 --output_dir".split()
    train(*small, out)
    model = CRN.from_pretrained(out)
    assert 2 <= len(model.styles) <= 6
    assert sum(sum(style.photographs.values()) for style in model.styles) == 20
    with Image.open(out / "samples" / "styles.png") as grid:
        assert grid.width == 2 + (1 + len(model.styles)) * (64 + 2)
    card = (out / "README.md").read_text()
    assert "## Styles" in card
    assert f"| photographs like it | {' | '.join(str(s.photographs['']) for s in model.styles)} |" in card
    names = "; ".join(style.name for style in model.styles)
    assert "3 for the colours of regions; 13 for the classes; 1 for unlabelled; a plane of noise" in card
    assert f"the network's photographs of it in the model's styles: {names}." in card
    for color in re.findall(r"!\[#([0-9a-f]{6})\]\(swatches/\1\.png\)", card):
        assert (out / "swatches" / f"{color}.png").exists()
    (picture,) = model.synthesize(np.zeros((32, 64), np.uint8), style=len(model.styles) - 1)
    assert picture.size == (64, 32)


# -- evaluation --------------------------------------------------------------------------------------


def test_rows_are_shown_in_the_styles_of_their_source(tmp_path: Path, model: CRN) -> None:
    data = write_folder(tmp_path / "streets", 48)
    rows = load_rows(str(data))[0].select(range(40)).add_column("source", ["day", "night"] * 20)
    pairs = PairDataset(rows, find_classes(str(data)), model.size)
    styled = CRN(STREETS, model.widths, region_colors=True, noise_planes=True).eval()
    day, night = (Style(s.name, s.colors, {of: 5}) for s, of in zip(model.styles, ("day", "night"), strict=True))
    styled.set_styles([day, night])
    on_rows = ModelOnRows("styled", None, styled, pairs, model.size)
    for row in range(4):
        ids = on_rows.translation[pairs[row]["ids"].numpy()]
        expected = styled.synthesize(ids, style=row % 2, seed=row)[0]
        assert np.array_equal(on_rows.images(row)[0], np.asarray(expected))
    for parts in ({"region_colors": True}, {"noise_planes": True}, {}):  # without styles
        plain_model = CRN(STREETS, model.widths, **parts).eval()
        for own in (False, True) if "region_colors" in parts else (False,):
            images = ModelOnRows("plain", None, plain_model, pairs, model.size, own_colors=own).images(3)
            assert images.shape == (1, *model.size, 3)
    mixed = [Style(s.name, s.colors, {"day": n, "night": 5 - n}) for s, n in zip(model.styles, (4, 1), strict=True)]
    styled.set_styles(mixed)
    drawn = Counter(on_rows._style(styled, row) for row in range(0, 40, 2))
    assert 10 <= drawn[0] < 20


def test_an_evaluation_shows_the_photographs_own_colours_as_well(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_folder(tmp_path / "streets", 4)
    copy = tmp_path / "styled"
    CRN.from_pretrained(folder).save_pretrained(copy)
    arguments = ["evaluate", copy, "--dataset", data, "--split", "train", "--output", tmp_path / "out"]
    assert crn(monkeypatch, *arguments, "--update-cards", "--blind", 2) == 0
    found = results(tmp_path / "out")
    assert [of_model["name"] for of_model in found["models"]] == ["styled", "styled, own colours"]
    one, other = (of_model["measures"]["perceptual"][0] for of_model in found["models"])
    assert one != other
    assert any(note.startswith("Styles: ") and "Own colours: " in note for note in found["notes"])
    (evaluation,) = json.loads((copy / "training.json").read_text())["evaluations"]
    measured = {measure["name"]: measure["value"] for measure in evaluation["measures"]}
    assert one in measured.values()  # the card has the model's own row
    assert "own colours" not in (tmp_path / "out" / "blind-key.csv").read_text()


# -- mixes -------------------------------------------------------------------------------------------


def test_a_mix_takes_each_pixel_from_its_style_or_from_a_hand(model: CRN) -> None:
    _, ids = two_cars()
    styles = [plain("one", (10, 20, 30)), plain("two", (200, 100, 50))]
    left = np.zeros(ids.shape, np.uint8)
    left[:, ids.shape[1] // 2 :] = 1
    by_hand = np.zeros_like(left)
    by_hand[:4] = 2
    painted = StyleMix(styles, left, by_hand, [(0, 0, 0), (255, 0, 127)]).paint(ids, 3)
    expected = np.where(left == 1, styles[1].paint(ids, 3), styles[0].paint(ids, 3))
    np.testing.assert_array_equal(painted[:, 4:], expected[:, 4:])
    np.testing.assert_allclose(
        painted[:, :4], np.broadcast_to([[[1]], [[-1]], [[127 / 127.5 - 1]]], painted[:, :4].shape)
    )
    np.testing.assert_array_equal(StyleMix(styles, left * 0).paint(ids, 3), styles[0].paint(ids, 3))
    larger = StyleMix(styles, left.repeat(2, 0).repeat(2, 1)).paint(ids, 3)  # drawn at another size
    np.testing.assert_array_equal(larger, expected)


def test_a_model_takes_a_mix_as_a_style(model: CRN) -> None:
    ids = np.zeros(model.size, np.uint8)
    one = StyleMix(
        [plain("dusk", (30, 30, 60), [0])], np.zeros(model.size, np.uint8)
    )  # the model has the other classes
    assert model.synthesize(ids, style=one)[0].tobytes() == model.synthesize(ids, style=one.styles[0])[0].tobytes()


@pytest.mark.parametrize(
    ("choice", "by_hand", "message"),
    [
        (np.full((4, 4), 1, np.uint8), None, "choice has 1; there are only 0..0"),
        (np.zeros((4, 4), np.int64), None, "choice must be uint8"),
        (np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8), "by_hand must be uint8"),
        (np.zeros((4, 4), np.uint8), np.full((4, 4), 2, np.uint8), "by_hand has 2; there are only 0..1"),
    ],
)
def test_choices_among_what_a_mix_lacks_are_refused(choice: np.ndarray, by_hand: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StyleMix([plain("one", (1, 2, 3))], choice, by_hand, [(9, 9, 9)])
