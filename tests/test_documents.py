"""The Markdown files: their commands parse, their code runs, and their links lead somewhere."""

import argparse
import ast
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import unquote

import numpy as np
import pytest
from accelerate.commands.launch import launch_command_parser
from cyclopts import App
from PIL import Image
from support import ROOT
from support.documents import blocks, commands, tokens
from support.hub_server import HubServer

import crn_hub.cli
import train_accelerate
from crn_hub import CRN, ClassSet
from crn_hub.training.paper_settings import PAPER_SETTINGS

DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("benchmarks/*/README.md"))]
MARKDOWN = [
    *DOCUMENTS, ROOT / "ARCHITECTURE.md",
    *ROOT.glob("crn_hub/pretrained/*/README.md"), *ROOT.glob("tests/data/*/README.md"),
]  # fmt: skip
# Files that readers bring.
READERS_OWN = {
    *("street.png", "street-raw.png", "street-photo.jpg", "result_256p/model.ckpt", "data", "data/pairs.csv"),
    *("data/pairs.parquet", "/data/cityscapes"),
}
INPUTS = {
    "model",
    "models",
    "layouts",
    "photographs",
    "checkpoint",
    "dataset",
    "segmenter",
    "dataset_name",
    "init_from",
}
OUTPUTS = {"output", "output_dir"}
OTHER_OPTIONS = {"--help", "--quiet"}  # --quiet: of accelerate launch


@dataclass
class Files:
    """The files and folders that a command reads and those that it leaves behind."""

    read: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)


class Parsed(Exception):  # noqa: N818 - not an error
    """Ends a script as soon as its command line has been parsed."""


# -- reading documents -------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """The names that GitHub gives the headings."""
    listed = list(tokens(path))
    headings = [listed[i + 1].content for i, token in enumerate(listed) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# -- checking commands -------------------------------------------------------------------------------


def commands_of(app: App) -> list[App]:
    """The commands of an application, and those of its groups of commands."""
    own = [app[name] for name in app if not name.startswith("-")]
    return [command for each in own for command in ([each] if each.default_command else commands_of(each))]


@cache
def check(words: tuple[str, ...]) -> Files:
    """What a command reads and leaves; an exception or SystemExit if it can't be understood."""
    while re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words = words[1:]
    program, *rest = words
    if program == "crn":
        return check_cyclopts(crn_hub.cli.app, rest)
    if program == "accelerate":
        launched = launch_command_parser().parse_args(rest[1:])
        assert (rest[0], launched.training_script) == ("launch", "train_accelerate.py")
        return check_cyclopts(train_accelerate.app, launched.training_script_args)
    if program == "python" and rest[0] == "-c":
        compile(rest[1], "python -c", "exec")
        return Files(left=set(re.findall(r'save_pretrained\("(.+?)"\)', rest[1])))
    if program == "python":
        return check_script(rest[0], rest[1:])
    if program == "make":
        subprocess.run(["make", "-n", *rest], cwd=ROOT, check=True, capture_output=True)
        return Files()
    if program == "pip":
        return check_pip(rest)
    if program == "hf":
        assert rest[0] == "download"
        return Files(left={rest[rest.index("--local-dir") + 1]})
    if program == "tar":
        return Files(left={word.partition("=")[2] for word in rest if word.startswith("--one-top-level=")})
    assert words == ("source", ".venv/bin/activate") or words[:2] == ("git", "archive"), f"unknown command: {words}"
    return Files()


def check_cyclopts(app: App, words: list[str]) -> Files:
    _, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    given: dict[str, Any] = dict(bound.arguments)
    for value in bound.arguments.values():
        if is_dataclass(value):  # all arguments of train_accelerate.py
            given |= {item.name: getattr(value, item.name) for item in fields(value)}

    def values(names: set[str]) -> set[str]:
        lists = [value if isinstance(value, list | tuple) else [value] for key, value in given.items() if key in names]
        return {str(value) for several in lists for value in several if value is not None}

    return Files(values(INPUTS) - {"box"}, values(OUTPUTS))


def check_script(script: str, words: list[str]) -> Files:
    """A script is asked through its own parser; one that reads sys.argv itself says in its text what it takes."""
    source = (ROOT / script).read_text(encoding="utf-8")
    if "App(" in source:
        return check_cyclopts(runpy.run_path(str(ROOT / script))["app"], words)
    if "ArgumentParser(" in source:
        parse = argparse.ArgumentParser.parse_args

        def parse_and_end(parser: argparse.ArgumentParser) -> None:
            parse(parser)
            raise Parsed

        with (
            mock.patch.object(sys, "argv", [script, *words]),
            mock.patch.object(argparse.ArgumentParser, "parse_args", parse_and_end),
            pytest.raises(Parsed),
        ):
            runpy.run_path(str(ROOT / script), run_name="__main__")
        return Files()
    if usage := re.search(rf'"usage: python {re.escape(script)} (.+)"', source):
        parts = re.findall(r"\[.+?\]|\S+", usage[1])
        pattern = "".join(
            f"({part[1:-1].partition(' ')[0]} \\S+ )?" if part[0] == "["
            else f"(?P<{part[:-3]}>(\\S+ )+)" if part.endswith("...")
            else f"(?P<{part}>\\S+ )"
            for part in parts
        )  # fmt: skip
        match = re.fullmatch(pattern, " ".join([*words, ""]))
        assert match, f"{words}: not {usage[0]}"
        named = {name: set(value.split()) for name, value in match.groupdict().items()}
        if "COMMAND" in named:
            return check(tuple(match["COMMAND"].split()))
        read = set().union(*(named.get(name, set()) for name in ("DATA", "GUIDE", "SEGMENTER", "MODEL")))
        return Files(read - {"box"}, named.get("OUTPUT", set()))
    examples = re.findall(rf"python {re.escape(script)}(.*)", ast.get_docstring(ast.parse(source)) or "")
    lengths = {len(shlex.split(example, comments=True)) for example in examples}
    assert len(words) in lengths, f"{words}: {script} shows {examples}"
    return Files(set(words))


def check_pip(words: list[str]) -> Files:
    help_text = subprocess.run([sys.executable, "-m", "pip", words[0], "--help"], capture_output=True, text=True).stdout
    for word in words[1:]:
        assert not word.startswith("-") or re.search(rf"(?<!\S){re.escape(word)}\b", help_text), word
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extra in re.findall(r"\[(\w+)\]", " ".join(words)):
        assert re.search(rf"^{extra} = \[", pyproject, flags=re.MULTILINE), extra
    if words[0] == "wheel":
        (version,) = re.findall(r'^version = "(.+)"', pyproject, flags=re.MULTILINE)
        folder = words[words.index("--wheel-dir") + 1]
        return Files(left={folder, f"{folder}/crn_hub-{version}-py3-none-any.whl"})
    return Files(read={word for word in words if word.endswith(".whl")})


ALL_COMMANDS = [(path, command) for path in DOCUMENTS for command in commands(path)]


@pytest.fixture(scope="module")
def files() -> Files:
    """What all commands together read and leave."""
    checked = [check(command) for _, command in ALL_COMMANDS]
    return Files(set().union(*(one.read for one in checked)), set().union(*(one.left for one in checked)))


def named(value: object) -> str:
    return value.relative_to(ROOT).as_posix() if isinstance(value, Path) else " ".join(value)[:60]


@pytest.mark.parametrize(("document", "command"), ALL_COMMANDS, ids=named)
def test_command(document: Path, command: tuple[str, ...]) -> None:
    check(command)


def test_files_that_commands_read_are_there(files: Files) -> None:
    for name in files.read - files.left - READERS_OWN - {"$CAMVID", "$STREETS"} - PAPER_SETTINGS.keys():
        is_left = str(Path(name).parent) in files.left  # a file in a folder
        assert is_left or name.startswith("org/") or (ROOT / name).exists(), f"{name}: neither there nor left"


def test_what_commands_leave_is_ignored(files: Files) -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    for name in (*files.left, "crn-out", "photograph.png"):
        command = ["git", "check-ignore", "--quiet", name if "." in name else f"{name}/"]
        assert subprocess.run(command, cwd=ROOT).returncode != 1, name  # 128: git refuses this checkout


def test_wrong_commands_are_noticed() -> None:
    assert len(ALL_COMMANDS) > 30
    for line in (
        "crn synthesize box street.png --outptu photographs",
        "crn paint box",
        "accelerate launch train_accelerate.py --random_flop",
        "accelerate launch --no_such_option train_accelerate.py",
        "python benchmarks/training_cost.py paper --onyl 512p",
        "python benchmarks/training_cost.py paper1",
        "python benchmarks/stroke_latency.py --stroke 3",
        "python benchmarks/model_in_the_box/trials.py $CAMVID segmenter",
        "python benchmarks/model_in_the_box/paint.py box",
        "python benchmarks/cost.py --unitl http://localhost",
        "python benchmarks/gone.py",
        "make demos",
        "pip install -e .[evla]",
        "pip install --editabel .",
        "npm install",
    ):
        with pytest.raises((Exception, SystemExit)):
            check(tuple(line.split()))


# -- code, options and links -------------------------------------------------------------------------


# programs.md needs a server, which tests/test_demo_styles.py has.
WITH_PYTHON = [path for path in DOCUMENTS if blocks(path, "python") and path.name != "programs.md"]


@pytest.mark.parametrize("document", WITH_PYTHON, ids=named)
def test_python_runs(document: Path, hub: HubServer, tmp_path: Path) -> None:
    """The blocks of a document one after the other, against a Hub of our own."""
    model = CRN(ClassSet.camvid(), (4, 4, 4))
    for folder in ("crn-out", "crn-camvid"):
        model.save_pretrained(tmp_path / folder)
    Image.fromarray(np.zeros((8, 16), np.uint8)).save(tmp_path / "street.png")
    Image.new("RGB", (64, 32), (90, 120, 160)).save(tmp_path / "street-photo.jpg")
    shutil.copytree(ROOT / "crn_hub/demo/examples", tmp_path / "crn_hub/demo/examples")
    program = f"import sys; sys.path[0] = {str(ROOT)!r}\n" + "\n".join(blocks(document, "python"))
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, **hub.environment(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    if document.name == "README.md":
        with Image.open(tmp_path / "photograph.png") as photograph:
            assert photograph.size == (512, 256)
        assert "model.safetensors" in hub.repos["models", "org/crn-camvid"].files


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_code_in_sentences(document: Path, tmp_path: Path) -> None:
    """Options exist, so do the subcommands of crn, and files of the project."""
    apps = [train_accelerate.app, *commands_of(crn_hub.cli.app)]
    options = {name for app in apps for argument in app.assemble_argument_collection() for name in argument.names}
    for code in [token.content for token in tokens(document) if token.type == "code_inline"]:
        words = code.split()
        for option in re.findall(r"(?<!\S)--[\w-]+", code):
            assert option in options | OTHER_OPTIONS, code
        if words[0] == "crn" and len(words) > 1:
            assert words[1] in crn_hub.cli.app, code
        for word in words:
            if re.match(r"(benchmarks|crn_hub|docs|scripts|tests)/", word):
                assert (ROOT / word).exists(), code
    fences = [token for token in tokens(document) if token.type == "fence"]
    assert {token.info for token in fences} <= {"bash", "python", "json", "text", "sh"}
    for token in fences:
        if token.info == "json":  # all of them are lists of classes
            (tmp_path / "classes.json").write_text(token.content)
            assert len(ClassSet.load(tmp_path / "classes.json"))


@pytest.mark.parametrize("document", MARKDOWN, ids=named)
def test_links_and_pictures(document: Path) -> None:
    for token in tokens(document):
        target = str(token.attrGet("href") or token.attrGet("src") or "")
        if not target or re.match(r"\w+:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        path = document.parent / name if name else document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target
