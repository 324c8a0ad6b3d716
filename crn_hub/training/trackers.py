"""TensorBoard, trackio and Weights & Biases, through accelerate."""

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import numpy as np
from accelerate import Accelerator
from PIL import Image


def check_trackers(names: Iterable[str]) -> None:
    """
    Raises:
        ValueError: if a tracker's package is not installed.
    """
    for name in names:
        if find_spec(name) is None:
            raise ValueError(f"--report_to {name}: the package is not installed; pip install {name} brings it.")


def start_trackers(accelerator: Accelerator, name: str, settings: dict[str, Any], step: int) -> None:
    """Starts the trackers of `accelerator`, or continues those of the run called `name` after `step`."""
    plain = {key: value if isinstance(value, int | float | str) else str(value) for key, value in settings.items()}
    accelerator.init_trackers(
        "crn_hub",
        config=plain,
        init_kwargs={
            "tensorboard": {"purge_step": step + 1},  # steps after the checkpoint are run again
            "wandb": {"name": name, "id": name, "resume": "allow"},
            "trackio": {"name": name, "resume": "allow", "embed": False},
        },
    )


def track_grid(accelerator: Accelerator, grid: Image.Image, step: int) -> None:
    """Shows a grid in each tracker."""
    for tracker in accelerator.trackers:
        if tracker.name == "trackio":  # whose tracker in accelerate has no method for pictures
            import trackio

            tracker.log({"held-out": trackio.Image(grid)}, step=step)
        else:
            pixels = np.asarray(grid)[None]
            kind = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
            tracker.log_images({"held-out": pixels}, step=step, **kind)
