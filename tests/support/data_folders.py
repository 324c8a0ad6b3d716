"""Data sets as folders of parquet, good ones and spoilt ones."""

import json
from io import BytesIO
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from crn_hub import ClassSet


def pair(seed: int = 0, width: int = 48, height: int = 36) -> dict:
    random = np.random.default_rng(seed)
    label = random.integers(0, 12, (height // 6, width // 6), dtype=np.uint8).repeat(6, 0).repeat(6, 1)
    photograph = np.stack(
        [label * 20, label * 10, 255 - label], axis=-1
    )  # so that label and photograph can be compared
    return {"image": Image.fromarray(photograph), "label": Image.fromarray(label)}


def write_folder(folder: Path, rows: int = 20, columns: tuple[str, str] = ("image", "label"), first: int = 0) -> Path:
    """A data set of `rows` pairs as a folder of parquet with classes.json and a card with a licence."""
    pairs = [pair(i) for i in range(first, first + rows)]
    features = datasets.Features({columns[0]: datasets.Image(), columns[1]: datasets.Image()})
    content = {columns[0]: [p["image"] for p in pairs], columns[1]: [p["label"] for p in pairs]}
    (folder / "data").mkdir(parents=True)
    datasets.Dataset.from_dict(content, features).to_parquet(folder / "data" / "train-00000-of-00001.parquet")
    (folder / "classes.json").write_text(json.dumps(ClassSet.camvid().to_list()))
    (folder / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n# Pairs\n")
    return folder


def spoil(folder: Path, row: int, column: str, content: bytes) -> None:
    """Puts other bytes into one cell of a folder that `write_folder` made."""
    (file,) = folder.glob("data/*.parquet")
    table = pq.read_table(file)
    cells = table.column(column).to_pylist()
    cells[row] = {"bytes": content, "path": f"{column}-{row}.png"}
    at = table.column_names.index(column)
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array(cells, table.schema.field(at).type)), file)


def png(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def bad_folder(folder: Path) -> Path:
    """Row 1 has an id outside, 3 different sizes, 4 no picture, 6 a truncated one; held-out row 1 has no picture."""
    write_folder(folder)
    spoil(folder, 1, "label", png(Image.fromarray(np.full((36, 48), 77, np.uint8))))
    spoil(folder, 3, "image", png(Image.new("RGB", (20, 10))))
    spoil(folder, 4, "label", b"not a picture")
    spoil(folder, 6, "image", png(pair()["image"])[:-40])
    spoil(folder, 19, "image", b"")
    return folder
