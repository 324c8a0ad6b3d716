"""Writes docs/translations.md: what the classes of each preset become in the others.

python scripts/write_translations.py
"""

from pathlib import Path

from crn_hub import ClassSet
from crn_hub.classes import UNLABELLED
from crn_hub.classes.presets import LISTS, PRESETS
from crn_hub.hub.card import escape, markdown_table
from crn_hub.text import some

DOCUMENT = Path(__file__).parent.parent / "docs" / "translations.md"
INTRODUCTION = """\
# What becomes what

Layouts and labels that are drawn in one set of classes are translated for a model that has another
([layouts](layouts.md), [data sets](data.md)): to the class of the same name or alias, or where the model has none to
the whole that the class is part of, here in *italics*. What has neither becomes unlabelled. The tables show this for
all presets. They are written by `scripts/write_translations.py` from the presets in `crn_hub/classes`, where aliases
and wholes are this project's own choice; a class file of your own says its with `aliases` and `part_of`."""


def document() -> str:
    sets = {name: ClassSet.load(name) for name in (*PRESETS, *LISTS)}
    return "\n\n".join([INTRODUCTION, *(section(name, sets) for name in sets)]) + "\n"


def section(name: str, sets: dict[str, ClassSet]) -> str:
    source = sets[name]
    others = [other for other in sets if other != name]
    rows = [[part, *(cell(source, index, sets[other]) for other in others)] for index, part in enumerate(source.names)]
    parts = [f"## {name}"]
    if known := [[escape(part), *cells] for part, *cells in rows if any(cells)]:
        parts.append(markdown_table([f"{len(source)} classes", *others], known))
    if unknown := [escape(part) for part, *cells in rows if not any(cells)]:
        parts.append(f"In no other preset: {some(unknown, len(unknown))}.")
    return "\n\n".join(parts)


def cell(source: ClassSet, index: int, target: ClassSet) -> str:
    """What a class of `source` becomes in `target`, in Markdown; "" if unlabelled."""
    found = source.translation_to(target)[index]
    if found == UNLABELLED:
        return ""
    name = escape(target.names[found])
    return name if source.matches_in(target)[index] == found else f"*{name}*"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
    print(DOCUMENT)
