"""What Markdown files hold: commands, code, links."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token


def tokens(path: Path) -> Iterator[Token]:
    """Everything in a Markdown file, without the header of a Space or a card."""
    text = re.sub(r"\A---\n.*?\n---\n", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for token in MarkdownIt().enable("table").parse(text):
        yield token
        yield from token.children or ()


def blocks(path: Path, language: str) -> list[str]:
    return [token.content for token in tokens(path) if token.type == "fence" and token.info == language]


def commands(path: Path) -> list[tuple[str, ...]]:
    """The words of each command, those of a pipeline one by one."""
    found = []
    for line in "".join(blocks(path, "bash")).replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|")
        lexer.whitespace_split = True
        command: list[str] = []
        for word in [*lexer, "|"]:
            if word != "|":
                command.append(word)
            elif command:
                found.append(tuple(command))
                command = []
    return found
