"""What one watches while a network trains: the log, loss curves, grids of held-out layouts, trackers."""

import json
import platform
import resource
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

from crn_hub.classes import LayoutError
from crn_hub.losses import Loss
from crn_hub.networks.hub_model import HubModel
from crn_hub.pictures import save_picture, to_pixels

LOG, CURVES = "training_log.jsonl", "samples/loss-curves.png"
CURVE_POINTS = 400  # at most so many points in a line: means of as many steps as that takes


class TrainingLog:
    """training_log.jsonl, one line per step, and the loss curves drawn from it.

    Args:
        output_dir: the folder of the run.
        terms: what each entry has beside its loss.
        resumed_from: the folder whose log is gone on with, and the step after which; later entries go, because these
            steps will be run again. None for a new log.
        writes: whether this process is the one that writes.
    """

    def __init__(self, output_dir: Path, terms: Sequence[str], resumed_from: tuple[Path, int] | None, writes: bool):
        self.terms = terms
        self.file, self.curves, self.writes = output_dir / LOG, output_dir / CURVES, writes
        self._points = array("d")  # step, loss and terms of each step; a run may have a million
        self._changes: list[int] = []  # steps at which a stage or other loss weights begin
        self._height = 0
        self._validated: list[tuple[float, float]] = []  # step, loss
        draft = self.file.with_name(f".{LOG}.part")
        with draft.open("w") if writes else nullcontext() as log:
            for entry in _read_entries(resumed_from[0] / LOG, resumed_from[1]) if resumed_from else ():
                self._keep(entry)
                if log:
                    log.write(json.dumps(entry) + "\n")
        if writes:
            draft.replace(self.file)

    def add(self, entry: dict[str, Any]) -> None:
        """Appends what is known of one step: its "step", "height", "loss", a value for each of `terms`, ..."""
        self._keep(entry)
        if self.writes:
            with self.file.open("a") as log:
                log.write(json.dumps(entry) + "\n")

    def _keep(self, entry: dict[str, Any]) -> None:
        self._points.extend([entry["step"], entry["loss"], *(entry[term] for term in self.terms)])
        if "loss_weights" in entry or entry["height"] != self._height:
            self._height = entry["height"]
            self._changes.append(entry["step"])
        if "validation_loss" in entry:
            self._validated.append((entry["step"], entry["validation_loss"]))

    def validation_loss(self, after: int) -> float | None:
        """The last one, if it was measured after that step."""
        return self._validated[-1][1] if self._validated and self._validated[-1][0] > after else None

    def draw(self) -> None:
        """Draws the loss curves: training and held-out rows, and the terms; upright lines are where stages begin."""
        if not self.writes:
            return
        from matplotlib.figure import Figure  # seconds, which a start need not wait for

        steps, *lines = np.array(self._points).reshape(-1, 2 + len(self.terms)).T
        per_point = -(-len(steps) // CURVE_POINTS)
        starts = np.arange(0, len(steps), per_point)

        def smooth(values: np.ndarray) -> np.ndarray:
            return np.add.reduceat(values, starts) / np.diff(np.append(starts, len(values)))

        figure = Figure(figsize=(10, 4), dpi=100, layout="constrained")
        whole, terms = figure.subplots(1, 2, sharex=True)
        label = "training" + (f", means of {per_point} steps" if per_point > 1 else "")
        whole.plot(smooth(steps), smooth(lines[0]), label=label)
        changes = self._changes[1:]  # losses before and after do not compare: a gap in the line
        validated = sorted([*self._validated, *((change - 0.5, float("nan")) for change in changes)])
        whole.plot(*zip(*validated, strict=True), "o-", markersize=4, label="held-out rows")
        for term, values in zip(self.terms, lines[1:], strict=True):
            terms.plot(smooth(steps), smooth(values), label=term)
        for axes, title in ((whole, "loss"), (terms, "its terms")):
            for change in changes:
                axes.axvline(change, color="0.7", linewidth=1)
            axes.set(title=title, xlabel="step")
            axes.grid(alpha=0.3)
        whole.legend()
        terms.legend(loc="upper left", bbox_to_anchor=(1, 1))  # beside the lines, which fill the plot
        drawn = BytesIO()
        figure.savefig(drawn, format="png")
        save_picture(Image.open(drawn).convert("RGB"), self.curves)


def _read_entries(file: Path, last_step: int) -> Iterator[dict[str, Any]]:
    if not file.is_file():
        return
    with file.open() as lines:
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                return  # the line that was being written when the run was killed
            if entry["step"] > last_step:
                return
            yield entry


def timed(batches: Iterable[Any]) -> Iterator[tuple[float, Any]]:
    """Each batch with the seconds that it was waited for."""
    iterator = iter(batches)
    while True:
        asked = time.perf_counter()
        try:
            batch = next(iterator)
        except StopIteration:
            return
        except LayoutError as error:  # of a worker process: the sentence is the last line of a traceback
            raise LayoutError(str(error).strip().splitlines()[-1].rpartition("LayoutError: ")[2]) from error
        yield time.perf_counter() - asked, batch


@contextmanager
def _as_in_use(model: HubModel) -> Iterator[torch.device]:
    """Without gradient and dropout; gives the device of the model."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        yield next(model.parameters()).device
    model.train(was_training)


def validate(model: HubModel, loss: Loss, pairs: list[dict[str, Tensor]]) -> float:
    """The mean loss over held-out pairs."""
    losses = []
    with _as_in_use(model) as device:
        for pair in pairs:
            ids, photographs = pair["ids"][None].to(device), pair["photograph"][None].to(device)
            losses.append(loss(model(ids), photographs, ids)[0].item())
    return sum(losses) / len(losses)


def sample_grid(model: HubModel, pairs: list[dict[str, Tensor]]) -> Image.Image:
    """One row per pair: layout | the k outputs | photograph."""
    tiles = []
    with _as_in_use(model) as device:
        for pair in pairs:
            outputs = to_pixels(model(pair["ids"][None].to(device))[0])  # (K, H, W, 3)
            layout = model.classes.to_colors(pair["ids"].numpy())
            tiles += [
                torch.from_numpy(p.copy()).permute(2, 0, 1) for p in (layout, *outputs, to_pixels(pair["photograph"]))
            ]
    return to_pil_image(make_grid(tiles, nrow=model.num_images + 2, pad_value=255))


def check_trackers(names: Iterable[str]) -> None:
    """
    Raises:
        ValueError: if a tracker's package is not installed.
    """
    for name in names:
        if find_spec(name) is None:
            raise ValueError(f"--report_to {name}: the package is not installed; pip install {name} brings it.")


def start_trackers(accelerator: Accelerator, name: str, settings: dict[str, Any], step: int) -> None:
    """Starts the trackers of `accelerator`, or goes on with those of the run called `name` after `step`."""
    plain = {key: value if isinstance(value, int | float | str) else str(value) for key, value in settings.items()}
    accelerator.init_trackers(
        "crn_hub",
        config=plain,
        init_kwargs={
            "tensorboard": {"purge_step": step + 1},  # steps after the checkpoint come again
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


def hardware(accelerator: Accelerator) -> str:
    """What the run ran on, for the card."""
    if accelerator.device.type == "cuda":
        return f"{accelerator.num_processes} x {torch.cuda.get_device_name()}"
    return f"{accelerator.num_processes} process on {torch.get_num_threads()} threads, {platform.machine()} CPU"


def peak_memory(device: torch.device) -> int:
    """Bytes: of the GPU if the run is on one, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    kilobytes_or_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes_or_bytes * (1 if platform.system() == "Darwin" else 1024)
