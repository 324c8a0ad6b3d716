"""Files with a list of classes, as this project and other tools write them -> rows of plain values.

JSON as described in `ClassSet.load`; CVAT's labelmap.txt (https://docs.cvat.ai/docs/dataset_management/formats/format-smask/:
a line `name:r,g,b:parts:actions` for each class); CSV with a name and three levels a line, such as CamVid's
class_dict.csv, and perhaps aliases ("a|b") and part_of. In UTF-8, or in UTF-16 with a byte order mark.
"""

import codecs
import csv
import json
import re
from pathlib import Path
from typing import Any

from crn_hub.text import clause

_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# What the columns of a CSV are called, ours first.
_COLUMNS = {
    "name": ("name", "class_name", "label_name", "class", "label"),
    "red": ("r", "red"),
    "green": ("g", "green"),
    "blue": ("b", "blue"),
    "id": ("id",),
    "aliases": ("aliases",),
    "part_of": ("part_of",),
}


def read_class_rows(path: Path) -> Any:
    """The contents of a file with classes: for a good one a list of {"name", "color": [r, g, b], ...}, not checked.

    Raises:
        ValueError: if it cannot be read as any of the formats; what is wrong, without the file's name.
        OSError: if it cannot be read at all.
    """
    content = path.read_bytes()
    text = content.decode(next((c for mark, c in _BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8"))
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return _from_csv(text)
    if suffix == ".txt":
        return _from_label_map(text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a readable JSON file ({clause(error)})") from error


def _from_label_map(text: str) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not (line := line.strip()) or line.startswith("#"):
            continue
        match = re.fullmatch(r"([^:]+):\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*(:.*)?", line)
        if match is None:
            raise ValueError(
                f"line {number} is {clause(line)!r}, not name:red,green,blue:parts:actions as CVAT writes it"
            )
        rows.append({"name": match[1].strip(), "color": [int(level) for level in match.groups()[1:4]]})
    return rows


def _from_csv(text: str) -> list[dict[str, Any]]:
    delimiter = max(",;\t", key=text.count)
    lines = [
        (number, [cell.strip() for cell in cells])
        for number, cells in enumerate(csv.reader(text.splitlines(), delimiter=delimiter), start=1)
        if any(cell.strip() for cell in cells) and not cells[0].lstrip().startswith("#")
    ]
    if not lines:
        raise ValueError("an empty file")
    first = [cell.lower() for cell in lines[0][1]]
    places = {
        what: next((first.index(name) for name in names if name in first), None) for what, names in _COLUMNS.items()
    }
    if places["name"] is None and len(first) == 4 and all(cell.isdigit() for cell in first[1:]):
        places = dict.fromkeys(_COLUMNS) | dict(zip(_COLUMNS, range(4), strict=False))  # no line of column names
    else:
        lines = lines[1:]
    if missing := [what for what in ("name", "red", "green", "blue") if places[what] is None]:
        raise ValueError(f"no column for {' and '.join(missing)}; name the columns name, r, g and b")
    rows = []
    for number, cells in lines:
        try:
            levels = [int(cells[places[color]]) for color in ("red", "green", "blue")]  # type: ignore[index]
            row: dict[str, Any] = {"name": cells[places["name"]], "color": levels}  # type: ignore[index]
            if places["id"] is not None:
                row["id"] = int(cells[places["id"]])
            if places["aliases"] is not None:
                row["aliases"] = [alias.strip() for alias in cells[places["aliases"]].split("|") if alias.strip()]
            if places["part_of"] is not None:
                row["part_of"] = cells[places["part_of"]] or None
        except (IndexError, ValueError) as error:
            raise ValueError(f"line {number} is {clause(cells)}, not a name and three whole numbers") from error
        rows.append(row)
    return rows
