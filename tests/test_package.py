"""Wheel and source distribution, each installed alone: nothing of the checkout can be imported beside it."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from support import ROOT, free_port

from crn_hub import CRN
from crn_hub.classes import read_layout

LAYOUT = ROOT / "crn_hub" / "demo" / "examples" / "avenue.png"
STRAYS = ("crn_hub/demo/painter.pyi", "crn_hub/demo/__pycache__/painter.cpython-310.pyc")  # Gradio's, Python's

IMPORT_ALL = """
import importlib, pkgutil, crn_hub
print(crn_hub.__file__)
for module in pkgutil.walk_packages(crn_hub.__path__, "crn_hub."):
    if module.name != "crn_hub.__main__":  # that is the command itself
        importlib.import_module(module.name)
        print(module.name)
"""

SERVE = """
import sys, urllib.request
from crn_hub import CRN
from crn_hub.classes import read_layout
from crn_hub.demo import launch
page, address = launch(CRN.from_pretrained(), server_name="127.0.0.1", server_port=int(sys.argv[1]),
                       prevent_thread_lock=True, quiet=True, inbrowser=False)
print(urllib.request.urlopen(address.rstrip("/") + "/config").read().decode())
page.close(verbose=False)
"""


def run(*command: object, cwd: Path) -> str:
    """What a command in another working directory prints; it must succeed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    return done.stdout


def package_files() -> dict[str, bytes]:
    """The files of crn_hub in the checkout by their paths, without those that Python, Gradio or a desktop leave."""
    files = [path for path in (ROOT / "crn_hub").rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {
        path.relative_to(ROOT).as_posix(): path.read_bytes() for path in files if path.suffix not in (".pyc", ".pyi")
    }


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two wheels: one built from the project, one from its source distribution."""
    folder = tmp_path_factory.mktemp("distributions")
    project = folder / "project"  # a copy: setuptools builds in place, and takes again what it finds in an old build/
    project.mkdir()
    for name in ("pyproject.toml", "requirements.txt", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project)
    for name in ("crn_hub", "tests", "docs", "benchmarks", "scripts"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyi"))
    for name in STRAYS:
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_bytes(b"")
    build = "import setuptools.build_meta as backend, sys; backend.build_sdist(sys.argv[1])"
    run(sys.executable, "-c", build, folder / "sdist", cwd=project)
    (source,) = (folder / "sdist").glob("*.tar.gz")
    with tarfile.open(source) as archive:
        tops = {name.split("/")[1] for name in archive.getnames() if name.count("/")}
    assert tops == {
        "crn_hub", "crn_hub.egg-info", "LICENSE", "MANIFEST.in", "PKG-INFO", "README.md", "pyproject.toml",
        "requirements.txt", "setup.cfg",
    }  # fmt: skip
    made = {}
    for name, origin in (("wheel", project), ("sdist", source)):
        pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder / name]
        run(*pip, origin, cwd=folder)
        (made[name],) = (folder / name).glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of a virtual environment with the package alone, from one of the wheels, which are the same.

    The libraries come from the environment that runs the tests. A path in a .pth file is only searched: the .pth files
    in there, such as that of an editable installation, don't run.
    """
    environment = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", environment, cwd=environment)
    commands = environment / ("Scripts" if sys.platform == "win32" else "bin")
    run(commands / "python", "-m", "pip", "install", "--no-deps", wheels["sdist"], cwd=environment)
    find = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run(commands / "python", "-c", find, cwd=environment).strip())
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "libraries.pth").write_text("\n".join(sorted(libraries)))
    return commands


def test_wheels_hold_the_package_and_nothing_else(wheels: dict[str, Path]) -> None:
    expected, described = package_files(), []
    for wheel in wheels.values():
        with zipfile.ZipFile(wheel) as archive:
            files = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
            described.append({name: archive.read(name) for name in archive.namelist() if name not in files})
        (metadata,) = (content.decode() for name, content in described[-1].items() if name.endswith("/METADATA"))
        (licence,) = re.findall(r"^License-Expression: (.+)$", metadata, re.MULTILINE)
        assert len(licence.split(" AND ")) > 1, licence  # the weights in it have terms of their own
        assert f'license = "{licence}"' in (ROOT / "pyproject.toml").read_text()
        assert "License-File: LICENSE" in metadata
        assert files.keys() == expected.keys()
        assert [name for name in expected if files[name] != expected[name]] == []
    from_project, from_source = described
    assert from_project == from_source


def test_every_module_can_be_imported(installed: Path, tmp_path: Path) -> None:
    place, *modules = run(installed / "python", "-c", IMPORT_ALL, cwd=tmp_path).split()
    assert Path(place).is_relative_to(installed.parent)
    expected = {name.removesuffix(".py").removesuffix("/__init__") for name in package_files() if name.endswith(".py")}
    assert {"crn_hub", "crn_hub.__main__", *modules} == {name.replace("/", ".") for name in expected}


def test_commands(installed: Path, tmp_path: Path) -> None:
    assert "4,921,299" in run(installed / "python", "-m", "crn_hub", "info", "box", cwd=tmp_path)
    run(installed / "crn", "synthesize", "box", LAYOUT, "--output", "photographs", cwd=tmp_path)
    model = CRN.from_pretrained()
    photographs = model.synthesize(read_layout(LAYOUT, model.classes).ids)
    assert len(photographs) == model.num_images
    files = sorted((tmp_path / "photographs").iterdir())
    for file, photograph in zip(files, photographs, strict=True):
        with Image.open(file) as written:
            assert written.tobytes() == photograph.tobytes()


def test_page(installed: Path, tmp_path: Path) -> None:
    page = json.loads(run(installed / "python", "-c", SERVE, free_port(), cwd=tmp_path))
    looks_and_scripts = "\n".join([page["css"], *(c["props"].get("js_on_load") or "" for c in page["components"])])
    for file in (ROOT / "crn_hub" / "demo" / "static").iterdir():
        assert max(file.read_text(encoding="utf-8").splitlines(), key=len) in looks_and_scripts, file.name
    (gallery,) = [c["props"]["value"] for c in page["components"] if c["type"] == "gallery"]
    assert len(gallery) == len(list(LAYOUT.parent.iterdir()))
