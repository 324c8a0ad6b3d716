"""Two folders of photographs and label maps, matched by name."""

from pathlib import Path

from crn_hub.collections.listing import Frame, Listing, Terms
from crn_hub.data import find_classes, hold_apart, load_splits
from crn_hub.data.two_folders import find_two_folders
from crn_hub.data_options import DataOptions, LabelOptions


def list_folders(
    images: Path, labels: Path | None, options: LabelOptions, held_out: str | None, skip_missing: bool, terms: Terms
) -> Listing:
    """
    Args:
        images: the folder with the photographs, or if `labels` is None, one that holds folders of both.
        labels: the folder with the label maps.
        options: how they are read.
        skip_missing: leave out photographs without a label map, and say so on stderr.
        held_out: if there is one split only, what the last rows are called that become a split of their own.
        terms: of the collection.

    Raises:
        FileNotFoundError, ValueError: as `data.load_splits`.
    """
    found = DataOptions(
        classes=options.classes,
        label_folder=str(labels) if labels is not None else None,
        skip_bad_rows=skip_missing,
    )
    if labels is None and not (images.is_dir() and find_two_folders(images)):
        raise FileNotFoundError(
            f"{images}: no folder that holds one of photographs and one of label maps, such as train_img and "
            "train_label; name both folders."
        )
    splits = load_splits(str(images), found)
    if held_out is not None and len(splits) == 1:
        chosen = hold_apart(str(images), splits, found.columns)
        splits = {"train": chosen.train, held_out: chosen.held_out}
    frames = {
        split: [
            Frame(Path(photograph["path"]), Path(label["path"]), {"name": Path(photograph["path"]).stem})
            for photograph, label in zip(*(rows[column] for column in found.columns), strict=True)
        ]
        for split, rows in splits.items()
    }
    return Listing(terms, find_classes(str(images), found), options, frames)
