"""Texts: from outside as parts of our own sentences (one line, bounded, no control characters), and into files."""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def one_line(text: str) -> str:
    """The text on one line, without control characters, which could forge lines and steer a terminal."""
    return " ".join("".join(c for c in text if c.isprintable() or c.isspace()).split())


def clause(text: object) -> str:
    """Anything as part of a sentence: one line of at most 300 characters, without full stops."""
    line = re.sub(r"[.!?]+(\s|$)", r";\1", one_line(str(text))).rstrip("; ")
    return line if len(line) <= 300 else f"{line[:297]}..."


def some(names: Iterable[object], at_most: int = 3) -> str:
    """The first names, each as a clause, and how many more there are: "a, b, c and 2 more"; "nothing" for none."""
    names = [*names]
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(clause(name) for name in names[:at_most]) + more or "nothing"


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
