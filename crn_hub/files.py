"""Files that appear whole or not at all, and whether a folder may be written to."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def appearing(file: Path) -> Iterator[Path]:
    """Gives a draft's path to write to; at the end of a `with` that went well it becomes the file, whole."""
    # A name of its own for each draft: another process may be writing the same file.
    opened, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".part", dir=file.parent)
    os.close(opened)
    draft = Path(name)
    try:
        yield draft
        draft.chmod(0o644)  # mkstemp's would be for nobody else
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def check_folder(option: str, folder: Path) -> None:
    """
    Raises:
        FileExistsError: if a file is where the folder, which an option names, is or should be made.
        PermissionError: if nothing may be written there.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not there.is_dir():
        raise FileExistsError(f"{option} {folder}: {there} is a file, not a folder.")
    if not os.access(there, os.W_OK):
        raise PermissionError(f"{option} {folder}: nothing may be written in {there}.")


def write_text(file: Path, text: str) -> None:
    """Writes a file that appears whole or not at all."""
    with appearing(file) as draft:
        draft.write_text(text, encoding="utf-8")
