"""Studies that tests of `crn study` share, and the server of their pages."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
import uvicorn
from fastapi import FastAPI
from PIL import Image

from crn_hub import CRN, ClassSet
from crn_hub.study.plan import Study
from crn_hub.study.server import Pages
from crn_hub.study.votes import Votes
from support import free_port
from support.command_line import crn
from support.data_folders import write_folder

SYSTEMS = ("good", "weak")


@pytest.fixture(scope="module")
def study_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("study") / "streets", 30)


@pytest.fixture(scope="module")
def study_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(SYSTEMS):
        torch.manual_seed(seed)
        CRN(ClassSet.camvid(), (4,) * 4).save_pretrained(folder / name)
    return {name: str(folder / name) for name in SYSTEMS}


def create(patch: pytest.MonkeyPatch, data: Path, models: dict[str, str], output: Path, *more: object) -> int:
    systems = [f"{name}={where}" for name, where in models.items()]
    arguments = ["--systems", *systems, "--real", "--dataset", data, "--split", "train", "--size", 40, 80]
    return crn(patch, "study", "create", *arguments, "--output", output, *more)


@pytest.fixture(scope="module")
def study_folder(study_data: Path, study_models: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with unlimited time: 8 layouts, 24 pairs in two sessions."""
    output = tmp_path_factory.mktemp("made") / "study"
    with pytest.MonkeyPatch.context() as patch:
        assert create(patch, study_data, study_models, output, "--layouts", 8, "--session", 14) == 0
    return output


def pixels_of(file: Path) -> np.ndarray:
    with Image.open(file) as picture:
        return np.array(picture)


def copied(folder: Path, to: Path) -> Path:
    """A study without votes of its own, with the same pictures."""
    to.mkdir()
    (to / "study.json").write_bytes((folder / "study.json").read_bytes())
    (to / "pictures").symlink_to(folder / "pictures")
    return to


@contextmanager
def served(folder: Path, path: str = "") -> Iterator[str]:
    """The study's pages on a server in this process, perhaps under a path, as behind a proxy."""
    study = Study.load(folder)
    votes = Votes(folder, study)
    port = free_port()
    app = FastAPI()
    app.mount(path, Pages(folder, study, votes).app())
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}{path}"
    finally:
        server.should_exit = True
        thread.join(10)
        votes.close()
