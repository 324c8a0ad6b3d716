"""The commands of docs/data.md, run as they are written, with small data where they say that data lie.

And small pictures: training has an eighth of the resolution.
"""

import io
import shutil
import tarfile
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path

import pandas as pd
import pytest
from support import ROOT
from support.collection_trees import cityscapes_tree
from support.command_line import crn
from support.data_folders import pair, png, write_folder
from support.documents import commands
from support.hub_client import child_process
from support.hub_server import HubServer
from support.training_script import TINY, train

from crn_hub import ClassSet

CAMVID = ClassSet.camvid()
CARD = """---
configs:
- {config_name: day, data_files: [{split: train, path: day.parquet}]}
- {config_name: night, data_files: [{split: train, path: night.parquet}]}
---
"""


def two_folders(folder: Path, photographs: str, labels: str) -> None:
    for kind, column in ((photographs, "image"), (labels, "label")):
        (folder / kind).mkdir(parents=True)
        for number in range(10):
            pair(number)[column].save(folder / kind / f"{number:03}.png")


def label_map_file(folder: Path) -> None:
    """As CVAT writes it, with an entry for the id 11, which labels of `pair` have."""
    folder.mkdir()
    entries = [*zip(CAMVID.names, CAMVID.colors, strict=True), ("unlabelled", (0, 0, 0))]
    (folder / "labelmap.txt").write_text("".join(f"{name}:{r},{g},{b}::\n" for name, (r, g, b) in entries))


def bring_two_folders(folder: Path) -> None:
    two_folders(folder, "photographs", "labels")
    label_map_file(folder / "data")


def bring_csv(folder: Path) -> None:
    two_folders(folder / "data", "photographs", "masks")
    names = [f"{number:03}.png" for number in range(10)]
    rows = {"photo": [f"photographs/{name}" for name in names], "mask": [f"masks/{name}" for name in names]}
    pd.DataFrame(rows).to_csv(folder / "data" / "pairs.csv", index=False)
    shutil.copy(write_folder(folder / "other") / "classes.json", folder / "data")


def bring_parquet(folder: Path) -> None:
    label_map_file(folder / "data")
    cells = {column: [png(pair(number)[column]) for number in range(10)] for column in ("image", "label")}
    pd.DataFrame(cells).to_parquet(folder / "data" / "pairs.parquet")


def bring_archive(folder: Path) -> None:
    (folder / "data").mkdir()
    shutil.copy(write_folder(folder / "other") / "classes.json", folder / "data")
    with tarfile.open(folder / "data" / "train.tar", "w") as tar:
        for number in range(10):
            for column in ("image", "label"):
                content = png(pair(number)[column])
                entry = tarfile.TarInfo(f"{number:03}.{column}.png")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))


def bring_camvid(folder: Path) -> None:
    write_folder(folder / "camvid")


def bring_cityscapes(folder: Path) -> None:
    cityscapes_tree(folder / "raw")


def fill_hub(hub: HubServer, folder: Path) -> None:
    made = write_folder(folder, columns=("photo", "mask"))
    parquet = (made / "data" / "train-00000-of-00001.parquet").read_bytes()
    files = {"README.md": CARD.encode(), "day.parquet": parquet, "night.parquet": b"not looked at"}
    state = hub.commit("datasets", "org/streets", files | {"classes.json": (made / "classes.json").read_bytes()})
    hub.repos["datasets", "org/streets"].tags["v1.0"] = state


# What a command needs, by something in its line. Commands that are left out here go on with what another one made.
BRING: dict[str, Callable[[Path], None]] = {
    "photographs": bring_two_folders,
    "pairs.csv": bring_csv,
    "pairs.parquet": bring_parquet,
    "image.png": bring_archive,
    "$CAMVID": bring_camvid,
    "/data/cityscapes": bring_cityscapes,
}
LINES = [words for words in commands(ROOT / "docs" / "data.md") if words[0] in ("crn", "accelerate")]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for the commands of each kind, with what they need."""
    folders = {part: tmp_path_factory.mktemp("folder") for part in BRING}
    for part, folder in folders.items():
        BRING[part](folder)
    return folders


def small(words: Sequence[str]) -> list[str]:
    """A command for training with an eighth of its resolution, if it names one, and a network as small as possible."""
    if "--resolution" not in words:
        return [*words, *TINY]
    first = words.index("--resolution") + 1
    sides = [int(word) // 8 for word in takewhile(str.isdigit, words[first:])]
    modules = {24: 3, 32: 4}[sides[0]]
    return [*words[:first], *map(str, sides), *words[first + len(sides) :], "--widths", *modules * ["4"]]


def in_folder(words: Sequence[str]) -> list[str]:
    """A command with what it reads where `places` has it."""
    return [word.replace("/data/cityscapes", "raw").replace("$CAMVID", "camvid") for word in words]


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_command(
    words: tuple[str, ...], places: dict[str, Path], hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = " ".join(words)
    part = next((part for part in BRING if part in line), "/data/cityscapes")
    folder = places[part]
    monkeypatch.chdir(folder)
    arguments = in_folder(words)
    if part not in line and not (folder / "cityscapes").exists():  # the command before has run in another process
        assert crn(monkeypatch, *in_folder(next(words for words in LINES if part in " ".join(words)))[1:]) == 0
    if words[0] == "crn":
        assert crn(monkeypatch, *arguments[1:]) == 0
        left = folder / arguments[arguments.index("--output") + 1]
        assert (left / ("inspection.html" if "inspect" in words else "README.md")).is_file()
        return
    assert arguments[:3] == ["accelerate", "launch", "train_accelerate.py"]
    arguments = small(arguments[3:])
    if "org/streets" in words:
        fill_hub(hub, tmp_path / "made")
        with child_process(hub.environment(tmp_path / "home")) as call:
            done = call(train, *arguments)
    else:
        done = train(*arguments)
    assert "dry run: built, trained, validated, saved, loaded" in done.stdout


def test_every_command_is_known() -> None:
    """Each thing that is brought is needed, and nothing but installing is left out."""
    lines = [" ".join(words) for words in LINES]
    assert all(any(part in line for line in lines) for part in BRING)
    assert {words[0] for words in commands(ROOT / "docs" / "data.md")} == {"crn", "accelerate", "pip"}
