"""Makes texts from outside safe to quote in our own sentences, and numbers easy to read."""

import re
from collections.abc import Iterable


def one_line(text: str) -> str:
    """The text on one line, without control characters, which could forge lines or control a terminal."""
    return " ".join("".join(c for c in text if c.isprintable() or c.isspace()).split())


def clause(text: object) -> str:
    """Anything as a part of a sentence: one line of at most 300 characters, without full stops."""
    line = re.sub(r"[.!?]+(\s|$)", r";\1", one_line(str(text))).rstrip("; ")
    return line if len(line) <= 300 else f"{line[:297]}..."


def some(names: Iterable[object], at_most: int = 3) -> str:
    """The first names, each as a clause, and how many more there are: "a, b, c and 2 more"; "nothing" for none."""
    names = [*names]
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(clause(name) for name in names[:at_most]) + more or "nothing"


def number(value: float) -> str:
    """Four significant digits, or a whole number with its thousands set apart."""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.4g}"


def three_digits(value: float) -> str:
    """Three significant digits, zeros at the end included; thousands set apart."""
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:#.3g}".rstrip(".")


def duration(hours: float) -> str:
    """A duration in hours as text: "44 min", "3.25 h"."""
    if hours < 1:
        return f"{hours * 60:.2g} min"
    return f"{hours:.3g} h" if hours < 100 else f"{hours:,.0f} h"
