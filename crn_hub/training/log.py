"""The log of a training run, step by step, and the loss curves drawn from it."""

import json
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crn_hub.files import appearing
from crn_hub.pictures import draw_plot, save_picture

LOG, CURVES = "training_log.jsonl", "samples/loss-curves.png"
CURVE_POINTS = 400  # the most points in a curve, each the mean of some steps


class TrainingLog:
    """training_log.jsonl, one line per step, and the loss curves drawn from it.

    Args:
        output_dir: the folder of the run.
        terms: what each entry has beside its loss.
        resumed_from: the folder whose log is continued, and the last step of it to keep: later entries are dropped,
            because these steps will be run again. None for a new log.
        writes: whether this process is the one that writes.
    """

    def __init__(self, output_dir: Path, terms: Sequence[str], resumed_from: tuple[Path, int] | None, writes: bool):
        self.terms = terms
        self.file, self.curves, self.writes = output_dir / LOG, output_dir / CURVES, writes
        self._points = array("d")  # step, loss and terms of each step; a run may have a million
        self._drawn = 0  # how many of them the curves show
        self._changes: list[int] = []  # steps at which a stage or new loss weights begin
        self._height = 0
        self._validated: list[tuple[float, float]] = []  # step, loss
        entries = [*_read_entries(resumed_from[0] / LOG, resumed_from[1])] if resumed_from else []
        for entry in entries:
            self._keep(entry)
        if writes:
            with appearing(self.file) as draft, draft.open("w", encoding="utf-8") as log:
                log.writelines(json.dumps(entry) + "\n" for entry in entries)

    def add(self, entry: dict[str, Any]) -> None:
        """Appends what is known of one step: its "step", "height", "loss", a value for each of `terms`, ..."""
        self._keep(entry)
        if self.writes:
            with self.file.open("a", encoding="utf-8") as log:
                log.write(json.dumps(entry) + "\n")

    def _keep(self, entry: dict[str, Any]) -> None:
        self._points.extend([entry["step"], entry["loss"], *(entry[term] for term in self.terms)])
        if "loss_weights" in entry or entry["height"] != self._height:
            self._height = entry["height"]
            self._changes.append(entry["step"])
        if "validation_loss" in entry:
            self._validated.append((entry["step"], entry["validation_loss"]))

    def validation_loss(self, after: int) -> float | None:
        """The last validation loss, if it was measured after the step `after`."""
        return self._validated[-1][1] if self._validated and self._validated[-1][0] > after else None

    def draw(self) -> None:
        """Draws the loss curves: training and held-out rows, and the terms; vertical lines mark where stages begin."""
        if not self.writes or self._drawn == len(self._points):
            return
        self._drawn = len(self._points)
        from matplotlib.figure import Figure  # takes seconds, which startup need not wait for

        steps, *lines = np.array(self._points).reshape(-1, 2 + len(self.terms)).T
        per_point = -(-len(steps) // CURVE_POINTS)
        starts = np.arange(0, len(steps), per_point)

        def smooth(values: np.ndarray) -> np.ndarray:
            return np.add.reduceat(values, starts) / np.diff(np.append(starts, len(values)))

        figure = Figure(figsize=(10, 4), dpi=100, layout="constrained")
        whole, terms = figure.subplots(1, 2, sharex=True)
        label = "training" + (f", means of {per_point} steps" if per_point > 1 else "")
        whole.plot(smooth(steps), smooth(lines[0]), label=label)
        changes = self._changes[1:]  # losses before and after are not comparable: a gap in the line
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
        save_picture(draw_plot(figure), self.curves)


def _read_entries(file: Path, last_step: int) -> Iterator[dict[str, Any]]:
    if not file.is_file():
        return
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                return  # the line that was being written when the run was killed
            if entry["step"] > last_step:
                return
            yield entry
