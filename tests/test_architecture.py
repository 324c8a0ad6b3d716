"""ARCHITECTURE.md is true: it names every module, and imports go up its table."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from support import ROOT

PACKAGE = ROOT / "crn_hub"


def modules() -> list[Path]:
    return [file for file in sorted(PACKAGE.rglob("*.py")) if not file.name.startswith("__")]


def rooms() -> dict[str, tuple[int, int]]:
    """Module or folder, relative to the project -> its row in the table, and its place in the row."""
    places = {}
    table = re.findall(r"^\| (`.*?) \| (.*) \|$", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    for row, (room, content) in enumerate(table):
        folder = room.strip("`")
        places[folder] = (row, 0)
        for place, name in enumerate(re.findall(r"`([a-z_0-9]+\.py)`", content), start=1):
            places.setdefault(f"{folder}{name}", (row, place))
    return places


def place_of(module: Path, places: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """The place of a module, or, if it has no room of its own, of the folder that it lies in."""
    name = module.relative_to(ROOT).as_posix()
    return places.get(name) or places[f"{Path(name).parent.as_posix()}/"]


def imported(file: Path) -> Iterator[Path]:
    """The modules of the package that a module imports; a name that a folder gathers counts as the folder's."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("crn_hub"):
            base = ROOT / str(node.module).replace(".", "/")
            for name in node.names:
                found = [
                    f for f in (base / f"{name.name}.py", base.with_suffix(".py"), base / "__init__.py") if f.is_file()
                ]
                yield found[0]


def test_every_module_is_named_and_every_name_is_there() -> None:
    places = rooms()
    assert len(places) > 60
    for name in places:
        assert (ROOT / name).exists(), f"{name} is gone"
    for file in modules():
        name = file.relative_to(ROOT).as_posix()
        folder = f"{Path(name).parent.as_posix()}/"
        named = [place for place in places if place.startswith(folder) and place.endswith(".py")]
        assert name in places or (folder in places and not named), f"{name} is not named"  # or its folder is one room


def test_imports_go_up_the_table() -> None:
    places, checked = rooms(), 0
    for file in modules():
        row, place = place_of(file, places)
        for other in imported(file):
            if other.parent == PACKAGE and other.name == "__init__.py":
                raise AssertionError(f"{file}: imports the package itself, which gathers")
            if other.name == "__init__.py":
                other_row, other_place = places[f"{other.parent.relative_to(ROOT).as_posix()}/"]
            else:
                other_row, other_place = place_of(other, places)
            within = other_row == row and (other_place < place or place == 0)
            assert other_row < row or within, f"{file.relative_to(ROOT)} imports {other.relative_to(ROOT)}, below it"
            checked += 1
    assert checked > 200
