"""The model card is made from data and reads back as the Hub reads it."""

from pathlib import Path

from huggingface_hub import ModelCard

from crn_hub import ClassSet
from crn_hub.card import is_unedited, write_card

STAGE_1 = {
    "dataset": "streets",
    "settings": {"resolution": 64, "classes": None},
    "result": {"steps": 10, "hours": 1.5},
    "license": "cc-by-4.0",
}
STAGE_2 = {
    "dataset": "streets",
    "hub_dataset": "org/streets",
    "license": "cc-by-nc-4.0",
    "settings": {"resolution": 128, "perceptual_net": "a|b"},
    "result": {"steps": 20, "hours": 2.0},
    "loss_weights": {"input": 0.001234567, "conv1_2": 2.0},
    "notes": "Small data.",
    "started_from": STAGE_1,
}


def test_front_matter_is_what_the_hub_wants(tmp_path: Path) -> None:
    write_card(tmp_path / "README.md", ClassSet.camvid(), (128, 256), 5_000_000, STAGE_2, ["samples/a.png"])
    data = ModelCard.load(tmp_path / "README.md").data
    assert data.library_name == "crn_hub"
    assert data.pipeline_tag == "image-to-image"
    assert "arxiv:1707.09405" in data.tags
    assert data.license == "cc-by-nc-4.0"
    assert data.datasets == ["org/streets"]


def test_body_shows_classes_stages_weights_samples_and_notes(tmp_path: Path) -> None:
    write_card(tmp_path / "README.md", ClassSet.camvid(), (128, 256), 5_000_000, STAGE_2, ["samples/a.png"])
    text = (tmp_path / "README.md").read_text()
    for part in (
        "256 x 128",
        "5.0 M parameters",
        "| 3 | road | 128, 64, 128 | `#804080` | lane marking, road marking |",
        "| | stage 1 | stage 2 |",
        "| resolution | 64 | 128 |",
        "| steps | 10 | 20 |",
        "3.5 hours in all",
        "| input | 0.001235 |",
        "a\\|b",
        "(samples/a.png)",
        "Small data.",
    ):
        assert part in text
    assert "| classes |" not in text  # a setting that no stage has says nothing


def test_an_edited_card_is_told_from_a_made_one(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    write_card(card, ClassSet.camvid(), (128, 256), 5_000_000, STAGE_2)
    assert is_unedited(card)
    card.write_text(card.read_text().replace("Small data.", "Small data, sorry."))
    assert not is_unedited(card)
    card.write_text("# Mine")
    assert not is_unedited(card)


def test_a_model_of_unknown_origin_says_so(tmp_path: Path) -> None:
    write_card(tmp_path / "README.md", ClassSet.cityscapes(), (256, 512), 1_000, {})
    text = (tmp_path / "README.md").read_text()
    assert "not recorded" in text
    assert ModelCard(text).data.license is None
    assert "## Samples" not in text
