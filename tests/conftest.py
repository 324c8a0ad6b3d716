"""What several test modules share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import browser, visit  # noqa: F401 - fixtures
from hub_client import client, home, hub, lonely, offline  # noqa: F401 - fixtures
from painting_hand import address, hand, phone, seen  # noqa: F401 - fixtures

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session", autouse=True)
def _gradio_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What Gradio writes goes away with the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        yield


@pytest.fixture(scope="session")
def camvid() -> Path:
    """The CamVid data set's folder, named by the environment variable CAMVID; tests that need it skip without."""
    folder = Path(os.environ.get("CAMVID", ""))
    if not os.environ.get("CAMVID") or not (folder / "classes.json").is_file():
        pytest.skip("needs CamVid: set CAMVID to a folder with classes.json and data/*.parquet")
    return folder.resolve()
