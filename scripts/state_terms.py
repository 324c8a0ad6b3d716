"""States the terms of the model in the box wherever the project states them, from its training record.

    python scripts/state_terms.py

These are LICENSE, pyproject.toml, and README.md: its front matter, which is that of the Space, and "Licences".
"""

import json
import re
import textwrap
from pathlib import Path

from huggingface_hub import ModelCard
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from crn_hub.box import MODEL_IN_THE_BOX, SEGMENTER_IN_THE_BOX
from crn_hub.hub.model_folder import CARD, TRAINING_RECORD
from crn_hub.hub.training_summary import TrainingSummary, slug, summarise_training

ROOT = Path(__file__).parent.parent
FEATURES = "CC-BY-4.0"  # of the VGG-16 features
# Of the segmentation network in the box: those of the photographs that it has learned from.
SEGMENTER_TERMS = "for non-commercial research only"
TERMS = {"non-commercial-research": "for non-commercial research only"}  # licences without a text of their own


def spdx(licence: str) -> str:
    """A licence's identifier by SPDX: "cc-by-nc-4.0" -> "CC-BY-NC-4.0"; of one that SPDX doesn't know, a reference."""
    try:
        return canonicalize_license_expression(licence)
    except InvalidLicenseExpression:
        return f"LicenseRef-{slug(licence)}"


def in_words(licence: str) -> str:
    """The end of a sentence: "cc-by-nc-4.0" -> "licensed under CC BY-NC 4.0"."""
    parts = re.fullmatch(r"cc-(by[a-z-]*)-(\d\.\d)", licence.lower())
    name = f"CC {parts[1].upper()} {parts[2]}" if parts else licence
    return TERMS.get(licence, f"licensed under {name}")


def replaced(text: str, pattern: str, statement: str, file: str) -> str:
    """The text with its only match of a pattern replaced."""
    changed, count = re.subn(pattern, lambda _: statement, text, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"{file}: {count} places match {pattern!r}; 1 was expected.")
    return changed


def statements(root: Path = ROOT, box: Path = MODEL_IN_THE_BOX) -> dict[str, str]:
    """The files that state terms, by their paths in the project, with the text that each should have.

    Raises:
        ValueError: if the box records no licence, or a file has no place for a statement.
    """
    training = summarise_training(json.loads((box / TRAINING_RECORD).read_text(encoding="utf-8")))
    if not training.license:
        raise ValueError(f"{box / TRAINING_RECORD}: no licence; weights without one may not be passed on.")
    folder = f"crn_hub/pretrained/{box.name}"
    texts = {name: (root / name).read_text(encoding="utf-8") for name in ("LICENSE", "pyproject.toml", "README.md")}
    in_license = textwrap.fill(
        f"- {folder}: trained on {training.dataset}, {_terms(training)}. Its README.md says how the data ask to be "
        "cited.",
        width=78, subsequent_indent="  ", break_on_hyphens=False,
    )  # fmt: skip
    of_segmenter = textwrap.fill(
        f"- crn_hub/pretrained/{SEGMENTER_IN_THE_BOX.name}: trained on CamVid and LabelMeFacade, {SEGMENTER_TERMS}.",
        width=78, subsequent_indent="  ", break_on_hyphens=False,
    )  # fmt: skip
    for kind, statement in (("crn", in_license), ("segmenter", of_segmenter)):
        pattern = rf"^- crn_hub/pretrained/{kind}-.*\n(  .*\n)*"
        texts["LICENSE"] = replaced(texts["LICENSE"], pattern, f"{statement}\n", "LICENSE")
    names = dict.fromkeys(["MIT", FEATURES, *map(spdx, [training.license, *training.earlier_licenses])])
    texts["pyproject.toml"] = replaced(
        texts["pyproject.toml"], r'^license = ".*"', f'license = "{" AND ".join(names)}"', "pyproject.toml"
    )
    card = ModelCard.load(box / CARD).data  # the Space shows this model, so it has its terms
    name = card.get("license_name")
    front_matter = f"license: {card.license}\n" + (f"license_name: {name}\n" if name else "")
    readme = replaced(texts["README.md"], r"^license: .*\n(license_name: .*\n)?", front_matter, "README.md")
    in_readme = textwrap.fill(
        f"The code is MIT. The model in the box, trained on {training.dataset}, is {_terms(training)}; its "
        f"[card]({folder}/README.md) says how the data ask to be cited. The "
        f"[segmentation network](crn_hub/pretrained/{SEGMENTER_IN_THE_BOX.name}/README.md), trained on the same, is "
        f"{SEGMENTER_TERMS}. The VGG-16 features in the package, made by "
        "`scripts/extract_vgg16.py`, are under CC BY 4.0.",
        width=120, break_on_hyphens=False, break_long_words=False,
    )  # fmt: skip
    texts["README.md"] = replaced(readme, r"(?<=^## Licences\n\n)(.+\n)+", f"{in_readme}\n", "README.md")
    return texts


def _terms(training: TrainingSummary) -> str:
    return " and ".join(map(in_words, [training.license, *training.earlier_licenses]))


def state_terms(root: Path = ROOT, box: Path = MODEL_IN_THE_BOX) -> None:
    """Writes what `statements` returns."""
    for name, text in statements(root, box).items():
        (root / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    state_terms()
