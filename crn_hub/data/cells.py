"""Cells of a data set, which store pictures in many ways -> something that can be opened as a picture."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from crn_hub.classes import LayoutError
from crn_hub.files import LFS_POINTER, is_lfs_pointer
from crn_hub.pictures import is_turned, read_photograph
from crn_hub.text import clause

Content = Path | io.BytesIO | Image.Image | np.ndarray


class PictureFile(io.BytesIO):
    """The bytes of a picture, with the name of the file that they come from."""

    def __init__(self, content: bytes, name: str):
        super().__init__(content)
        self.name = name


def undecoded(rows: Any, columns: tuple[str, ...]) -> Any:
    """These columns of rows of the datasets library, with pictures as files, not decoded; other rows as they are.

    The library decodes pictures before anybody can see their depth and format, and so what they meant.
    """
    if not hasattr(rows, "cast_column"):
        return rows
    from datasets import Image as ImageFeature  # takes seconds, and scenes don't need it

    rows = rows.select_columns([*dict.fromkeys(columns)])
    for column in rows.column_names:
        if isinstance(rows.features[column], ImageFeature):
            rows = rows.cast_column(column, ImageFeature(decode=False))
    return rows


def name_of_file(cell: Any) -> str:
    """The name of the file in a cell, as far as it is known; else ""."""
    path = cell.get("path") if isinstance(cell, dict) else cell
    return os.path.basename(path) if isinstance(path, str) else ""


def open_cell(cell: Any) -> Content | None:
    """The picture or array in a cell, not yet decoded; None for an empty one.

    It may be {"bytes", "path"}, bytes, a path, a PIL image, an array or nested lists of numbers.

    Raises:
        LayoutError: if it is none of these, or its file is missing; a clause without the name of the column.
    """
    if isinstance(cell, dict) and {"bytes", "path"} & {*cell}:
        content, path = cell.get("bytes"), cell.get("path")
        return _from_path(path) if content is None and path else open_cell(_named(content, path))
    if cell is None or isinstance(cell, Image.Image | np.ndarray | PictureFile):
        return cell
    if isinstance(cell, bytes):
        return PictureFile(cell, "")
    if isinstance(cell, str | os.PathLike):
        return _from_path(os.fspath(cell))
    if isinstance(cell, list | tuple):
        try:
            return np.array(cell)
        except ValueError as error:
            raise LayoutError(f"lists of different lengths ({clause(error)})") from error
    raise LayoutError(f"holds {type(cell).__name__}, not a picture, a path or an array")


def _named(content: bytes | None, path: str | None) -> PictureFile | None:
    return None if content is None else PictureFile(content, path or "")


def _from_path(path: str) -> Content:
    if os.path.isfile(path):
        if is_lfs_pointer(path):
            raise LayoutError(f"{clause(path)} is {LFS_POINTER}")
        return Path(path)
    if "::" in path or "://" in path:  # inside an archive, or elsewhere
        from datasets.utils.file_utils import xopen

        with xopen(path, "rb") as file:
            return PictureFile(file.read(), path.partition("::")[0])
    raise LayoutError(f"no such file as {clause(path)}")


def read_photograph_cell(content: Content) -> tuple[np.ndarray, tuple[int, int] | None]:
    """Pixels uint8 (H, W, 3), turned as EXIF says; and if so, (height, width) before that, else None.

    Raises:
        ValueError: if it is no photograph that can be used; one sentence.
    """
    if isinstance(content, np.ndarray):
        return read_photograph(content), None
    if isinstance(content, Image.Image):
        return read_photograph(content), None
    try:
        with Image.open(content) as image:
            image.load()
            before = (image.height, image.width) if is_turned(image) else None
            return read_photograph(image), before
    except UnidentifiedImageError as error:
        raise ValueError("not readable (no image).") from error
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"not readable ({clause(error)}).") from error
