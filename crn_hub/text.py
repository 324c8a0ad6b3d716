"""Texts: from outside as parts of our own sentences (one line, bounded, no control characters), and into files."""

import re
from collections.abc import Iterable
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


def write_text(file: Path, text: str) -> None:
    """Writes a file that appears whole or not at all."""
    draft = file.with_name(f".{file.name}.part")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
