"""What the project says of the terms of the model in the box agrees with the record of the model that is there."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from support import ROOT

from crn_hub import CRN, ClassSet
from crn_hub.box import MODEL_IN_THE_BOX
from crn_hub.data.known_collections import COLLECTIONS
from crn_hub.hub.model_folder import TRAINING_RECORD
from scripts.state_terms import spdx, state_terms, statements

RECORD = json.loads((MODEL_IN_THE_BOX / TRAINING_RECORD).read_text())
CAMVID, LABELMEFACADE = (COLLECTIONS[name].citation for name in ("camvid", "labelmefacade"))
STATING = ("LICENSE", "pyproject.toml", "README.md")


def test_the_project_states_the_terms_of_the_model_in_the_box() -> None:
    for name, text in statements().items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"{name}: run python scripts/state_terms.py"


def test_its_card_has_the_licence_and_the_citations_of_its_record() -> None:
    card = ModelCard.load(MODEL_IN_THE_BOX / "README.md")
    assert RECORD["license"] in (card.data.license, card.data.get("license_name"))
    assert RECORD["citations"]
    cited = " ".join(card.text.split("## Citations")[1].split("## Limits")[0].split())
    assert all(" ".join(citation.split()) in cited for citation in RECORD["citations"])


def test_weights_trained_on_facades_are_for_research_and_cite_both_collections() -> None:
    """A dataset named so, or windows among the classes, which only LabelMeFacade has."""
    is_of_streets = "LabelMeFacade" in RECORD["dataset"] or "window" in CRN.from_pretrained().classes.names
    if is_of_streets:
        assert RECORD["license"] == "non-commercial-research"
        assert set(RECORD["citations"]) == {CAMVID, LABELMEFACADE}
    else:
        assert (RECORD["license"], RECORD["citations"]) == ("cc-by-nc-4.0", [CAMVID])


def project(folder: Path, **changes: Any) -> tuple[Path, Path]:
    """A copy of what states terms, and a box of another name with another record."""
    folder.mkdir()
    for name in STATING:
        shutil.copy(ROOT / name, folder)
    model = CRN(ClassSet.camvid(), (4, 4))
    model.training_record = {"dataset": "CamVid and LabelMeFacade", "citations": [CAMVID, LABELMEFACADE], **changes}
    model.save_pretrained(folder / "crn-streets-256p")
    return folder, folder / "crn-streets-256p"


def test_another_box_changes_all_statements_and_the_first_one_brings_them_back(tmp_path: Path) -> None:
    root, box = project(tmp_path / "project", license="non-commercial-research", started_from=RECORD)
    state_terms(root, box)
    licence, pyproject, readme = ((root / name).read_text() for name in STATING)
    assert 'license = "MIT AND CC-BY-4.0 AND LicenseRef-non-commercial-research' in pyproject
    assert "\nlicense: other\nlicense_name: non-commercial-research\n" in readme
    for text in (licence, readme.split("## Licences")[1]):
        words = " ".join(text.split())
        assert "trained on CamVid and LabelMeFacade" in words
        assert "for non-commercial research only" in words
        assert "crn_hub/pretrained/crn-streets-256p" in words
        assert "crn-camvid" not in words
    assert "VGG-16 by K. Simonyan" in licence
    state_terms(root, MODEL_IN_THE_BOX)
    assert all((root / name).read_bytes() == (ROOT / name).read_bytes() for name in STATING)


@pytest.mark.parametrize(
    ("licence", "identifier"),
    [
        ("cc-by-nc-4.0", "CC-BY-NC-4.0"),
        ("mit", "MIT"),
        ("non-commercial-research", "LicenseRef-non-commercial-research"),
        ("Ask us: #1", "LicenseRef-ask-us-1"),
    ],
)
def test_identifiers_of_licences(licence: str, identifier: str) -> None:
    assert spdx(licence) == identifier


def test_a_box_without_a_licence_and_files_without_a_place_are_refused(tmp_path: Path) -> None:
    root, box = project(tmp_path / "free", license=None)
    before = [(root / name).read_bytes() for name in STATING]
    with pytest.raises(ValueError, match=r"training\.json: no licence; weights without one may not be passed on\."):
        state_terms(root, box)
    root, box = project(tmp_path / "odd", license="mit")
    (root / "README.md").write_text("# Mine\n")
    with pytest.raises(ValueError, match=r"README\.md: 0 places match"):
        state_terms(root, box)
    assert [(root / name).read_bytes() for name in STATING[:2]] == before[:2]
