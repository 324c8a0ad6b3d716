"""Data, models and runs of `crn evaluate` that its tests share."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from crn_hub import CRN, ClassSet
from crn_hub.metrics import plots
from crn_hub.metrics.evaluation import Evaluation
from crn_hub.metrics.evaluation import evaluate as evaluate_parts
from crn_hub.segmentation import SmallSegmenter
from support.command_line import crn
from support.data_folders import write_folder
from support.plots import blank

CAMVID = ClassSet.camvid()
FEW = ClassSet(["heaven", "road"], [(1, 2, 3), (4, 5, 6)], {"heaven": ["sky"]})
FILES = [
    *("appearance.png", "arithmetic.png", "classes.png", "contact-sheet.html", "contact-sheet.png"),
    *("measured", "results.json", "table.csv", "table.md"),
]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 rows to train on and 9 for validation."""
    folder = write_folder(tmp_path_factory.mktemp("pairs") / "streets", 12)
    more = write_folder(folder.parent / "more", 9, first=50)
    shutil.copy(next((more / "data").iterdir()), folder / "data" / "validation-00000-of-00001.parquet")
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models: small and large of CamVid's classes, and one that knows two of them."""
    folder = tmp_path_factory.mktemp("models")
    for seed, (name, classes, widths, k) in enumerate(
        [
            ("small", CAMVID, (4, 4, 4, 4), 2),
            ("large", CAMVID, (8, 8, 8, 4, 4), 1),
            ("few", FEW, (4, 4, 4, 4), 1),
        ]
    ):
        torch.manual_seed(seed)
        CRN(classes, widths, num_images=k).save_pretrained(folder / name)
    return folder


@pytest.fixture(scope="module")
def random_segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("segmenter") / "untrained"
    SmallSegmenter(CAMVID, (32, 64)).save_pretrained(folder)
    return folder


def run(patch: pytest.MonkeyPatch, pairs: Path, output: Path, *arguments: object, drawn: bool = False) -> int:
    """Runs the command; unless `drawn`, its plots are white."""
    if not drawn:
        patch.setattr(plots, "draw_plot", blank)
    return crn(patch, "evaluate", *arguments, "--dataset", pairs, "--output", output)


def evaluate(models: list[str], dataset: str, output: Path, **options: Any) -> Evaluation:
    """All rows together."""
    (evaluation,) = evaluate_parts(models, dataset, output, **options)
    return evaluation


def results(output: Path) -> dict:
    def constant(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    return json.loads((output / "results.json").read_text(), parse_constant=constant)


def stamps(output: Path) -> dict[str, int]:
    return {str(p.relative_to(output)): p.stat().st_mtime_ns for p in output.rglob("*.npz")}
