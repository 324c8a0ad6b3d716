"""What the tests of the Hub share.

The real client is at work in a child process, against hub_server.py. What a child does is a function of this
module (`push`, `load`, ...); `client(function, ...)` calls it there and gives back its result or raises its exception.
"""

import multiprocessing
import re
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import torch

from crn_hub import CRN, ClassSet
from support.hub_server import HubServer

Client = Callable[..., Any]

RECORD = {"dataset": "three streets", "settings": {"epochs": 2}, "loss_weights": {"conv1_2": 0.25}}
EDITED_CARD = "---\nlicense: mit\n---\n# Our streets\r\n\r\nEdited in the browser: größer, schöner.".encode()
MODEL_FILES = {"config.json", "model.safetensors", "training.json", "README.md"} | {
    f"swatches/{bytes(color).hex()}.png" for color in [*ClassSet.camvid().colors, (0, 0, 0)]
}


# -- what runs in a child ----------------------------------------------------------------------------


def push(saved: Path, repo_id: str, **options: Any) -> str:
    return CRN.from_pretrained(saved).push_to_hub(repo_id, **options)


def load(name: str, **options: Any) -> dict[str, Any]:
    return facts(CRN.from_pretrained(name, **options))


def without_token(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Calls one of these functions as somebody who hasn't signed in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HF_TOKEN")
        return function(*args, **options)


def load_and_measure(name: str, kind: type[Exception]) -> tuple[str, int]:
    """What is wrong with a model, and by how many bytes the attempt raised the peak of the process's memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = refusal(kind, CRN.from_pretrained, name)
    return message, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


# -- fixtures ----------------------------------------------------------------------------------------


def _try_again_at_once() -> None:
    """The client waits up to 8 seconds before a retry; here it retries as often, without waiting."""
    for module in (huggingface_hub.utils._http, huggingface_hub.file_download):
        module.time = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})


@contextmanager
def child_process(environment: dict[str, str]) -> Iterator[Client]:
    """A fresh Python with these variables in its environment, for several calls."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=_try_again_at_once) as pool:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            pool.submit(int).result()  # starts the process, so from here on its environment is fixed
        yield lambda function, *args, **options: pool.submit(function, *args, **options).result(timeout=60)


@pytest.fixture(scope="session")
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the children keep the client's cache, and in `temporary` their temporary files."""
    home = tmp_path_factory.mktemp("home")
    (home / "temporary").mkdir()
    return home


@pytest.fixture(scope="session")
def client(hub: HubServer, home: Path) -> Iterator[Client]:
    with child_process({**hub.environment(home), "TMPDIR": str(home / "temporary")}) as call:
        yield call


@pytest.fixture(scope="session")
def offline(hub: HubServer, home: Path) -> Iterator[Client]:
    """A child whose client is in offline mode."""
    with child_process({**hub.environment(home), "HF_HUB_OFFLINE": "1"}) as call:
        yield call


@pytest.fixture(scope="session")
def lonely(hub: HubServer, home: Path) -> Iterator[Client]:
    """A child whose Hub nobody serves."""
    with child_process({**hub.environment(home), "HF_ENDPOINT": "http://127.0.0.1:1"}) as call:
        yield call


# -- helpers -----------------------------------------------------------------------------------------


def small_model(seed: int = 0, record: dict[str, Any] = RECORD) -> CRN:
    torch.manual_seed(seed)
    model = CRN(ClassSet.camvid(), widths=(4, 4, 4), num_images=2)
    model.training_record = record
    return model


def saved_model(folder: Path, seed: int = 0, record: dict[str, Any] = RECORD) -> CRN:
    model = small_model(seed, record)
    model.save_pretrained(folder)
    return model


def facts(model: CRN) -> dict[str, Any]:
    """Everything that saving must keep, the tensors to the bit."""
    return {
        "classes": model.classes.to_list(),
        "widths": model.widths,
        "base_size": model.base_size,
        "num_images": model.num_images,
        "training_record": model.training_record,
        "tensors": {key: tensor.numpy().tobytes() for key, tensor in model.state_dict().items()},
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def refusal(kind: type[Exception], call: Callable[..., Any], *args: Any, **options: Any) -> str:
    """The message with which a call fails; it must be one sentence, and its type must be `kind` itself."""
    with pytest.raises(kind) as caught:
        call(*args, **options)
    message = str(caught.value)
    assert caught.type is kind
    assert message.isprintable()
    assert message.endswith(".")
    assert not re.search(r"[.!?]\s|http://|https://|\.\.$|\(None\)", message), message
    return message
