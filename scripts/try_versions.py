"""How low the bounds in requirements.txt can go: runs tests with an older version of one library at a time.

    python scripts/try_versions.py gradio 6.0.0 6.9.0 6.20.0
    python scripts/try_versions.py accelerate 1.0.0 1.5.0 --tests "tests/test_resume.py -k signal"

Each version is installed beside the environment, with what it pins and without what else it needs, and comes first in
its path. Prints one
line for each: whether the tests pass, and if not, the first error.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from tqdm import tqdm

from crn_hub.cli import run

ROOT = Path(__file__).resolve().parents[1]

# Tests in which a library does all that it does here.
TESTS = {
    "accelerate": "tests/test_stages.py tests/test_parts.py tests/test_resume.py -k 'signal or between or ends_the'",
    "cyclopts": "tests/test_cli.py tests/test_train.py -k 'cli or argument or help'",
    "datasets": "tests/test_data.py tests/test_data_forms.py tests/test_collections.py",
    "filelock": "tests/test_run_lock.py",
    "google-crc32c": "tests/test_tf_checkpoint.py",
    "gradio": "tests/test_serving.py tests/test_demo.py tests/test_demo_actions.py tests/test_painter.py",
    "huggingface-hub": "tests/test_hub_load.py tests/test_hub_push.py tests/test_card.py",
    "matplotlib": "tests/test_evaluate.py tests/test_benchmark.py -k 'leaves or table or plot'",
    "numpy": "tests/test_classes.py tests/test_layout_files.py tests/test_model.py tests/test_styles.py",
    "pillow": "tests/test_classes.py tests/test_layout_files.py tests/test_data_forms.py tests/test_demo_actions.py",
    "psutil": "tests/test_resume.py tests/test_train.py -k 'signal or launcher or memory'",
    "rich": "tests/test_model_summary.py",
    "safetensors": "tests/test_model_folder.py tests/test_vgg.py",
    "scipy": "tests/test_styles.py tests/test_simplification.py tests/test_appearance.py",
    "tqdm": "tests/test_cli.py tests/test_collections.py tests/test_segmentation.py",
}

app = App(name="try_versions.py", default_parameter=Parameter(negative=()))


@app.default
def main(library: str, versions: Annotated[list[str], Parameter(negative=())], /, *, tests: str = "") -> None:
    """Run tests with versions of a library.

    Parameters
    ----------
    library
        Its name on PyPI.
    versions
        One after the other.
    tests
        Arguments of pytest; by default the tests in which the library matters.
    """
    if not tests and library not in TESTS:
        raise ValueError(f"{library}: say which tests matter, with --tests.")
    for version in versions:
        with tempfile.TemporaryDirectory() as folder:
            tqdm.write(f"{library} {version}: {_try(f'{library}=={version}', tests or TESTS[library], folder)}")


def _try(requirement: str, tests: str, folder: str) -> str:
    try:
        _install(requirement, folder)
        for installed in distributions(path=[folder]):
            for pinned in [text for text in installed.requires or () if "==" in text and ";" not in text]:
                _install(pinned, folder)
    except RuntimeError as error:
        return f"cannot be installed ({error})"
    path = os.pathsep.join([folder, str(ROOT), str(ROOT / "scripts")])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-W", "ignore", *shlex.split(tests)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True,
    )  # fmt: skip
    lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["no output"]
    errors = [line for line in lines if line.startswith(("E  ", "ERROR", "FAILED"))]
    return lines[-1] if done.returncode == 0 else f"{(errors or lines)[0]} | {lines[-1]}"


def _install(requirement: str, folder: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, requirement]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no reason given"])[-1])


if __name__ == "__main__":
    run(app)
