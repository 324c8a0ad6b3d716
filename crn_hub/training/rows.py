"""The rows of a run, loaded and checked: those to train on, and held-out ones."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import psutil
from accelerate import Accelerator
from torch import Tensor
from torch.utils.data import get_worker_info
from tqdm import tqdm

from crn_hub.classes import ClassSet, LayoutError
from crn_hub.data import (
    LabelReader,
    LabelSurvey,
    PairDataset,
    collections_of,
    dataset_license,
    describe_labels,
    find_classes,
    load_rows,
    scene_rows,
    sources_of,
    spread,
)
from crn_hub.data_options import DataOptions
from crn_hub.region_colors import class_colors
from crn_hub.scenes import SCENE_CLASSES
from crn_hub.styles import Style, choose_styles
from crn_hub.training.arguments import Arguments

SCENES_PER_EPOCH = 600
SMALLEST_SCENE = 32  # pixels of height
LEFT_OUT = "left_out_rows.txt"  # in the output folder: what `TrainingRows.check` returns
VALIDATION_ROWS = 8  # held-out rows that the validation loss is over
GRID_ROWS = 4  # how many of them are in a grid
COLOUR_ROWS = 100  # whose pixels are averaged for the default colours of the classes
STYLE_ROWS, STYLE_HEIGHT = 300, 256  # photographs of which styles are chosen, and about how many pixels high
CACHE_SHARE = 0.25  # of the free memory, for decoded photographs
LOOKED_AT = 500  # rows whose labels are read before the first step, where all of them would take too long


@dataclass(frozen=True)
class CheckedRows:
    """
    Attributes:
        left_out: what is wrong with each row that is left out from now on.
        labels: what the labels were taken for; None for scenes.
    """

    left_out: list[str]
    labels: LabelSurvey | None


@dataclass(frozen=True)
class TrainingRows:
    """
    Attributes:
        data: the pairs to train on; each stage sets their size.
        held_out: pairs for validation only.
        count: rows to train on, including those that `check` leaves out.
        memory: bytes for decoded photographs.
        classes: what the ids mean.
        licence: of the data, if they name one.
        citations: how the data ask to be cited, as far as they name their sources.
        splits: the names of the splits that are trained on and held out; None for scenes.
        about_splits: sentences on these.
    """

    data: PairDataset
    held_out: PairDataset
    count: int
    memory: int
    classes: ClassSet
    licence: str | None
    citations: list[str]
    splits: tuple[str, str] | None
    about_splits: list[str]

    def check(self, args: Arguments, accelerator: Accelerator, quiet: bool = False) -> "CheckedRows":
        """Checks the rows that are shown, and all rows if they fit into memory or if bad ones are to be left out, else
        `LOOKED_AT` of them; unless `quiet`, prints what their labels were taken for.

        Raises:
            LayoutError: naming a row that cannot be used.
            ValueError: if no pixel is labelled.
        """
        if args.dataset_name is None:  # scenes are never bad, and drawing them takes time
            return CheckedRows([], None)
        data, held_out, skip = self.data, self.held_out, args.skip_bad_rows
        try:
            shown = held_out.used if skip else spread(len(held_out), VALIDATION_ROWS)
            checked = [held_out.check(shown, skip)]
            all_of_them = skip or sum(array.nbytes for array in data.decode(0)) * len(data) <= self.memory
            rows = data.used if all_of_them else [data.used[index] for index in spread(len(data), LOOKED_AT)]
            bar = tqdm(rows, desc="checking rows", unit="row", disable=not accelerator.is_main_process)
            checked.append(data.check(bar, skip))
        except LayoutError as error:
            hint = "" if skip else " --skip_bad_rows leaves such rows out and lists them."
            raise LayoutError(f"{error}{hint}") from error
        of_held_out, labels = (found.labels for found in checked)
        for survey in (labels, of_held_out):
            if survey.shares[-1] == 1:
                raise ValueError(f"{args.dataset_name}: no pixel of the {survey.called}s is labelled.")
        bad = [problem for found in checked for problem in found.bad.values()]
        if bad and not quiet:
            accelerator.print(f"rows left out: {len(bad)}", *bad, sep="\n  ")
        if not quiet:
            accelerator.print("\n".join([*self.about_splits, *describe_labels(labels, of_held_out, data.size)]))
        return CheckedRows(bad, labels)

    def set_size(self, size: tuple[int, int]) -> None:
        """Brings all pairs to (height, width) in pixels from now on."""
        self.data.size = self.held_out.size = size

    def class_colors(self) -> np.ndarray:
        """float32 (n + 1, 3), -1..1: the mean colour of each class, of rows spread over the data."""
        rows = [self.data.used[index] for index in spread(len(self.data), COLOUR_ROWS)]
        return class_colors(map(self.data.decode, rows), len(self.classes))

    def styles(self, kinds: Sequence[int]) -> tuple[Style, ...]:
        """A few styles of the photographs, each with all of `kinds`, which are ids."""
        photographs, sources, _ = styles_of_rows(self.data)
        return choose_styles(photographs, sources, kinds)

    def pairs_to_show(self, count: int) -> list[dict[str, Tensor]]:
        """The first `count` of the held-out pairs for validation losses and grids."""
        return [self.held_out[i] for i in spread(len(self.held_out), VALIDATION_ROWS)[:count]]


def load_training_rows(
    args: Arguments,
    final_size: tuple[int, int],
    first_size: tuple[int, int],
    with_colors: bool,
    accelerator: Accelerator,
) -> TrainingRows:
    """The rows that a command line names.

    Args:
        args: the command line.
        final_size: (height, width) of the images in pixels at the end, at which scenes are drawn.
        first_size: the same at the beginning.
        with_colors: whether the network takes the colours of regions.
        accelerator: of the run.

    Raises:
        ValueError, FileNotFoundError, ConnectionError: if data, columns or classes cannot be found or loaded.
    """
    licence, splits, about_splits = None, None, []
    if args.dataset_name is None:
        _check_scene_arguments(args)
        count = min(SCENES_PER_EPOCH, args.max_train_samples or SCENES_PER_EPOCH)
        _check_scene_size(final_size)
        rows, held_out, classes = scene_rows(count, final_size)
        labels, columns = LabelReader(classes), ("image", "label")
    else:
        with accelerator.main_process_first():
            chosen = load_rows(args.dataset_name, args, args.max_train_samples, args.train_split, args.validation_split)
        labels, columns = LabelReader(find_classes(args.dataset_name, args), args), args.columns
        rows, held_out, about_splits = chosen.train, chosen.held_out, chosen.describe()
        splits = chosen.train_split, chosen.held_out_split
        licence = dataset_license(args.dataset_name, args.dataset_revision)
    citations = [collection.citation for collection in collections_of(rows)]
    memory = int(CACHE_SHARE * psutil.virtual_memory().available / accelerator.num_processes)
    data = PairDataset(
        rows,
        labels,
        first_size,
        *columns,
        seed=args.seed,
        random_flip=args.random_flip,
        color_jitter=args.color_jitter,
        simplify_layouts=args.simplify_layouts,
        with_colors=with_colors,
        cache_bytes=memory,
    )
    to_show = PairDataset(held_out, labels, first_size, *columns, with_colors=with_colors, called="held-out row")
    return TrainingRows(data, to_show, len(rows), memory, labels.classes, licence, citations, splits, about_splits)


def _check_scene_arguments(args: Arguments) -> None:
    """
    Raises:
        ValueError: for arguments that only a data set can have.
    """
    if args.classes is not None and ClassSet.load(args.classes) != ClassSet.load(SCENE_CLASSES):
        raise ValueError(f"--classes {args.classes}: the street scenes have the preset {SCENE_CLASSES}; leave it out.")
    defaults = Arguments()
    names = {field.name for field in fields(DataOptions)} - {"classes", "skip_bad_rows"}
    for name in sorted(names | {"train_split", "validation_split"}):
        if getattr(args, name) != getattr(defaults, name):
            raise ValueError(f"--{name}: only for a data set, and none is given; give --dataset_name, or leave it out.")


def _check_scene_size(size: tuple[int, int]) -> None:
    """
    Raises:
        ValueError: if there are no scenes of (height, width) pixels.
    """
    height, width = size
    if height < SMALLEST_SCENE:
        raise ValueError(f"--resolution {height}: street scenes are at least {SMALLEST_SCENE} pixels high.")
    if not max(height, 2 * SMALLEST_SCENE) <= width <= 3 * height:
        raise ValueError(
            f"--resolution {height} {width}: street scenes are 1 to 3 times as wide as high, and at least "
            f"{2 * SMALLEST_SCENE} pixels wide."
        )


def styles_of_rows(data: PairDataset) -> tuple[list[Style], list[str], list[int]]:
    """The styles of photographs spread over the rows, with their sources and the numbers of their rows; shows a
    progress bar."""
    rows = [data.used[index] for index in spread(len(data), STYLE_ROWS)]
    photographs = []
    for row in tqdm(rows, desc="styles", unit="photograph"):
        pixels, ids = data.decode(row)
        step = max(1, ids.shape[0] // STYLE_HEIGHT)
        photographs.append(Style.from_photograph(pixels[::step, ::step], ids[::step, ::step]))
    sources = sources_of(data.rows)
    return photographs, [sources[row] for row in rows], rows


def prepare_worker(_: int) -> None:
    """Prepares a worker process of a data loader.

    It ignores signals, because one to the whole process group must not end it before the run has saved. And it keeps no
    decoded rows, because it lives for one epoch only.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    get_worker_info().dataset.cache_bytes = 0  # type: ignore[union-attr]
