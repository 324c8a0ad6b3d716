"""`crn dataset`: photographs and label maps on a disk -> a Hugging Face data set."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from cyclopts.validators import Number

from crn_hub.data_options import DataOptions, LabelOptions
from crn_hub.files import check_folder
from crn_hub.text import one_line

dataset = App(name="dataset", help="Make a Hugging Face data set of photographs and label maps on a disk.")


@dataclass(kw_only=True)
class Target:
    """Where a data set goes, and how it is made."""

    output: Path | None = None
    """The folder for the data set; with --push, by default the name of the repo in this folder."""
    push: str | None = None
    """Also upload it, as organisation/name; the same command continues an upload that was interrupted."""
    public: bool = False
    """Upload it as public although the terms of the collection forbid that."""
    height: Annotated[int | None, Parameter(validator=Number(gte=16))] = None
    """Resize photographs and label maps to this height in pixels; by default photographs stay the files they are."""
    skip_missing: bool = False
    """Go on although files are missing."""
    skip_bad_rows: bool = False
    """Leave out frames that cannot be used instead of stopping at the first."""


TARGET = Annotated[Target, Parameter(name="*")]


@dataset.command
def cityscapes(
    root: Path,
    /,
    *,
    coarse: bool = False,
    without_test: bool = False,
    target: TARGET = Target(),  # noqa: B008 - defaults for cyclopts
) -> None:
    """Make a data set of Cityscapes: raw ids become the 19 train ids, city and frame are columns.

    Example: crn dataset cityscapes /data/cityscapes --output cityscapes

    ROOT holds leftImg8bit and gtFine (or gtCoarse) as the archives unpack. The labels of the split test are withheld:
    its rows have none. An interrupted command goes on where it was when it is given again.

    Parameters
    ----------
    root
        The folder of Cityscapes.
    coarse
        Take the coarse label maps, with the split train_extra.
    without_test
        Leave out the split test.
    """
    from crn_hub.collections.cityscapes import list_cityscapes  # takes seconds, and other commands don't need it

    output = _check(target)
    _make(list_cityscapes(root, coarse, not without_test), output, target)


@dataset.command
def camvid(root: Path, /, *, target: TARGET = Target()) -> None:  # noqa: B008 - defaults for cyclopts
    """Make a data set of CamVid: its 32 colours become SegNet's 11 classes, its frames SegNet's splits.

    Example: crn dataset camvid /data/camvid --output camvid

    ROOT holds 701_StillsRaw_full and LabeledApproved_full as the archives unpack. CamVid in two folders with its
    class_dict.csv is made by crn dataset folder.

    Parameters
    ----------
    root
        The folder of CamVid.
    """
    from crn_hub.collections.camvid import list_camvid  # takes seconds, and other commands don't need it

    output = _check(target)
    _make(list_camvid(root), output, target)


@dataset.command
def kitti(
    root: Path,
    /,
    *,
    without_test: bool = False,
    target: TARGET = Target(),  # noqa: B008 - defaults for cyclopts
) -> None:
    """Make a data set of the KITTI semantic benchmark: raw ids become the 19 train ids of Cityscapes.

    Example: crn dataset kitti /data/data_semantics --output kitti

    ROOT holds training and testing. The labels of the split test are withheld: its rows have none.

    Parameters
    ----------
    root
        The folder of the benchmark.
    without_test
        Leave out the split test.
    """
    from crn_hub.collections.like_cityscapes import list_kitti  # takes seconds, and other commands don't need it

    output = _check(target)
    _make(list_kitti(root, not without_test), output, target)


@dataset.command
def bdd100k(
    root: Path,
    /,
    *,
    without_test: bool = False,
    target: TARGET = Target(),  # noqa: B008 - defaults for cyclopts
) -> None:
    """Make a data set of BDD100K's semantic segmentation, which has the 19 train ids of Cityscapes.

    Example: crn dataset bdd100k /data/bdd100k --output bdd100k

    ROOT holds images/10k and labels/sem_seg/masks. The labels of the split test are withheld: its rows have none.

    Parameters
    ----------
    root
        The folder of BDD100K.
    without_test
        Leave out the split test.
    """
    from crn_hub.collections.like_cityscapes import list_bdd100k  # takes seconds, and other commands don't need it

    output = _check(target)
    _make(list_bdd100k(root, not without_test), output, target)


@dataset.command
def gta5(root: Path, /, *, target: TARGET = Target()) -> None:  # noqa: B008 - defaults for cyclopts
    """Make a data set of Playing for Data (GTA5), whose label maps have the colours of Cityscapes.

    Example: crn dataset gta5 /data/gta5 --output gta5 --skip-bad-rows

    ROOT holds images, labels and split.mat. A few photographs have another size than their label maps: these stop the
    command, or with --skip-bad-rows are left out.

    Parameters
    ----------
    root
        The folder of the data.
    """
    from crn_hub.collections.like_cityscapes import list_gta5  # takes seconds, and other commands don't need it

    output = _check(target)
    _make(list_gta5(root), output, target)


@dataset.command
def ade20k(
    root: Path,
    /,
    *,
    target: TARGET = Target(),  # noqa: B008 - defaults for cyclopts
) -> None:
    """Make a data set of ADE20K, of its scene parsing or in full, with the 150 classes of the preset ade20k.

    Example: crn dataset ade20k /data/ADEChallengeData2016 --output ade20k

    ROOT holds images and annotations, as in scene parsing, or images with label maps beside them, as in the full
    ADE20K, whose other classes become unlabelled.

    Parameters
    ----------
    root
        The folder of ADE20K.
    """
    from crn_hub.collections.ade20k import list_ade20k  # takes seconds, and other commands don't need it

    output = _check(target)
    _make(list_ade20k(root), output, target)


@dataset.command
def coco_stuff(
    root: Path,
    /,
    *,
    target: TARGET = Target(),  # noqa: B008 - defaults for cyclopts
) -> None:
    """Make a data set of COCO-Stuff: its numbers, with holes, become the 171 classes of the preset coco-stuff.

    Example: crn dataset coco-stuff /data/coco --output coco-stuff

    ROOT holds images and annotations (or stuffthingmaps), each with train2017 and val2017.

    Parameters
    ----------
    root
        The folder of COCO-Stuff.
    """
    from crn_hub.collections.large_sets import list_coco_stuff  # takes seconds, and other commands don't need it

    output = _check(target)
    _make(list_coco_stuff(root), output, target)


@dataset.command
def mapillary(
    root: Path,
    /,
    *,
    without_test: bool = False,
    target: TARGET = Target(),  # noqa: B008 - defaults for cyclopts
) -> None:
    """Make a data set of Mapillary Vistas 1.2, with the 65 classes of the preset mapillary.

    Example: crn dataset mapillary /data/mapillary --output mapillary

    ROOT holds training, validation and testing. The labels of the split test are withheld: its rows have none.

    Parameters
    ----------
    root
        The folder of Mapillary Vistas.
    without_test
        Leave out the split test.
    """
    from crn_hub.collections.large_sets import list_mapillary  # takes seconds, and other commands don't need it

    output = _check(target)
    _make(list_mapillary(root, not without_test), output, target)


@dataset.command
def nyu(root: Path, /, *, target: TARGET = Target()) -> None:  # noqa: B008 - defaults for cyclopts
    """Make a data set of NYU Depth v2, the labelled part: its 894 classes become the 40 of the preset nyu40.

    Example: crn dataset nyu /data/nyu --output nyu

    ROOT holds nyu_depth_v2_labeled.mat, classMapping40.mat and splits.mat.

    Parameters
    ----------
    root
        The folder with the three files.
    """
    with _extra("nyu"):
        from crn_hub.collections.nyu import list_nyu  # takes seconds, and other commands don't need it

    output = _check(target)
    _make(list_nyu(root), output, target)


@dataset.command
def folder(
    images: Path,
    labels: Path | None = None,
    /,
    *,
    title: str | None = None,
    license: str = "",
    hold_out: str | None = None,
    options: Annotated[LabelOptions, Parameter(name="*")] = LabelOptions(),  # noqa: B008 - defaults for cyclopts
    target: TARGET = Target(),  # noqa: B008 - defaults for cyclopts
) -> None:
    """Make a data set of two folders of pictures, photographs and label maps, matched by name.

    Example: crn dataset folder photographs labels --classes labelmap.txt --output streets

    Parameters
    ----------
    images
        The folder with the photographs; without LABELS, one that holds folders of both, for each split or for all.
    labels
        The folder with the label maps.
    title
        What the collection is called; by default the name of the folder.
    license
        Its licence: an identifier of the Hub, such as cc-by-4.0, or a name.
    hold_out
        Make a split of this name, such as validation, of the last rows.
    """
    from crn_hub.collections.folder import list_folders  # takes seconds, and other commands don't need it
    from crn_hub.collections.listing import Terms

    output, terms = _check(target), Terms(one_line(title or images.resolve().name), license)
    _make(list_folders(images, labels, options, hold_out, target.skip_missing, terms), output, target)


@dataset.command
def inspect(
    name: Annotated[str, Parameter(name="DATASET")],
    /,
    *,
    output: Path | None = None,
    max_rows: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    options: Annotated[DataOptions, Parameter(name="*")] = DataOptions(),  # noqa: B008 - defaults for cyclopts
) -> None:
    """Say what a data set is like: classes, sizes, colours, rows that look alike across splits, and what is wrong.

    Example: crn dataset inspect org/streets --output inspection

    All rows are read. With --output it also writes inspection.html, a page of plots with a sheet of pairs, and these as
    plots.png and pairs.png. The exit code is 1 if rows cannot be used.

    Parameters
    ----------
    name
        Hub id, folder or file of a data set (docs/data.md has all forms).
    output
        The folder for the page.
    max_rows
        Use at most this many rows of each split, spread evenly.
    """
    with _extra("inspect"):
        from crn_hub.inspection.inspecting import inspect_dataset  # takes seconds, and other commands don't need it
        from crn_hub.inspection.report import describe, write_page
    if output is not None:
        check_folder("--output", output)
    inspection = inspect_dataset(name, options, max_rows)
    print(describe(inspection))
    if output is not None:
        print("", *write_page(inspection, output), sep="\n")
    if inspection.problems:
        raise RuntimeError(f"{inspection.dataset}: {len(inspection.problems):,} rows cannot be used.")


@contextmanager
def _extra(name: str) -> Iterator[None]:
    """Says what to install where a module of an extra is missing; the extra has the command's name."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise ValueError(f"{name} needs {package}: pip install 'crn_hub[{name}]' installs it.") from error


def _check(target: Target) -> Path:
    """The folder for the data set.

    Raises:
        ValueError: if none is given, or the name on the Hub is none.
    """
    if target.push is not None:
        from crn_hub.hub.source import check_repo_id  # brings the Hub's client along

        check_repo_id(target.push)
    if target.output is not None:
        return target.output
    if target.push is None:
        raise ValueError("give --output FOLDER, or --push organisation/name.")
    return Path(target.push.rpartition("/")[2])


def _make(listing: Any, output: Path, target: Target) -> None:
    from crn_hub.collections.making import make_dataset, push_dataset

    facts = make_dataset(listing, output, target.height, target.skip_bad_rows, target.skip_missing)
    for problem in facts["left_out"]:
        print(f"left out: {problem}")
    for split, rows in facts["rows"].items():
        print(f"{one_line(split)}: {rows:,} rows")
    print(output)
    if target.push is not None:
        print(push_dataset(output, target.push, listing.terms, target.public))
