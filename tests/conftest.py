"""Fixtures for all tests."""

import ctypes
import gc
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# Read when PyTorch is loaded, by this process and those it starts. Two busy processes with two threads each take ten
# times as long as with one each, and sums are the same to the bit only with the same number of threads.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # where a test asks for two threads, they leave the other processes alone

pytest.register_assert_rewrite("support")  # so that a failing assert there, too, shows the values
pytest_plugins = [
    "support.browsing",
    "support.evaluations",
    "support.hub_client",
    "support.painting_hand",
    "support.studies",
]  # their fixtures


@pytest.fixture(scope="module", autouse=True)
def _tidy_memory() -> None:
    """Between modules, memory that commands have told the C library to keep is given back after all.

    Garbage collection leaves alone what is there then: libraries have so many objects that it takes minutes.
    """
    gc.collect()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _forks_know_no_test() -> None:
    """Processes are forked from one that was started before the first test."""
    if (module := sys.modules.get("support.forked_runs")) is not None:
        module.start_server()


@pytest.fixture(scope="session", autouse=True)
def _gradio_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What Gradio writes goes away with the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_downloads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Weights that other libraries fetch are neither fetched nor found: results are the same on every machine."""
    from crn_hub.metrics import library_networks

    empty = str(tmp_path_factory.mktemp("torch"))

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no downloads in tests")

    def unless_empty(build: Callable[..., Any]) -> Callable[..., Any]:
        """Refuses at once: drawing random weights, which libraries do before they look for files, takes longer."""
        return lambda **options: refuse() if os.environ["TORCH_HOME"] == empty else build(**options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", empty)
        patch.setattr("torch.hub.download_url_to_file", refuse)
        for name in ("NoTrainInceptionV3", "LearnedPerceptualImagePatchSimilarity"):
            patch.setattr(library_networks, name, unless_empty(getattr(library_networks, name)))
        yield


@pytest.fixture(scope="session")
def camvid() -> Path:
    """The CamVid data set's folder, named by the environment variable CAMVID; tests that need it skip without."""
    return _data_folder("CAMVID")


@pytest.fixture(scope="session")
def streets() -> Path:
    """CamVid and LabelMeFacade in one folder, named by the variable STREETS; tests that need it skip without."""
    return _data_folder("STREETS")


def _data_folder(variable: str) -> Path:
    folder = Path(os.environ.get(variable, ""))
    if not os.environ.get(variable) or not (folder / "classes.json").is_file():
        pytest.skip(f"needs a data set: set {variable} to a folder with classes.json and data/*.parquet")
    return folder.resolve()


@pytest.fixture(scope="session")
def torch_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of torch.hub with the files of torch-fidelity and torchvision, of random weights."""
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    from torchvision.models import alexnet

    torch_hub = tmp_path_factory.mktemp("torch-home")
    folder = torch_hub / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    torch.save(alexnet().state_dict(), folder / "alexnet-owt-7be5be79.pth")
    with pytest.MonkeyPatch.context() as patch:  # the only way to build it without its weights
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        patch.setattr("torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url", lambda *_, **__: {})
        random = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    torch.save(random.state_dict(), folder / "weights-inception-2015-12-05-6726825d.pth")
    return torch_hub
