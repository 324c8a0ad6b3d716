"""A listed collection -> a folder that is a Hugging Face data set: shards, classes.json and a card."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import DatasetCard, HfApi

from crn_hub.collections.listing import Listing, Terms
from crn_hub.collections.shards import DATA, MADE, WORK, finish_shards, write_shards
from crn_hub.data.sources import CLASSES_FILE
from crn_hub.files import check_folder, write_text
from crn_hub.hub.card import escape, markdown_table
from crn_hub.hub.client_errors import push_errors
from crn_hub.hub.front_matter import HUB_LICENSES
from crn_hub.hub.model_folder import CARD
from crn_hub.hub.source import check_repo_id
from crn_hub.text import some

MISSING_SHOWN = 20  # lines on missing files


def make_dataset(
    listing: Listing, output: Path, height: int | None, skip_bad: bool, skip_missing: bool
) -> dict[str, Any]:
    """Writes a data set; what is there already from an interrupted attempt is kept.

    Args:
        listing: the collection.
        output: the folder.
        height: that photographs and label maps are brought to; None to keep photographs as the files that they are.
        skip_bad: leave out frames that cannot be used.
        skip_missing: go on although files are missing.

    Returns:
        As `write_shards`.

    Raises:
        FileNotFoundError: if files are missing.
        FileExistsError: if the folder holds something else.
        LayoutError: if a frame cannot be used.
    """
    check_folder("--output", output)
    if output.is_dir() and not {WORK, MADE} & {*os.listdir(output)} and any(output.iterdir()):
        raise FileExistsError(f"--output {output}: the folder is not empty; choose a new one for the data set.")
    for line in listing.missing[:MISSING_SHOWN]:
        print(f"missing: {line}", file=sys.stderr)
    if len(listing.missing) > MISSING_SHOWN:
        print(f"missing: and {len(listing.missing) - MISSING_SHOWN:,} more", file=sys.stderr)
    if listing.missing and not skip_missing:
        raise FileNotFoundError(
            f"{listing.terms.title}: {len(listing.missing):,} files are missing; --skip-missing makes the data set of "
            "the others."
        )
    facts = write_shards(listing, output, height, skip_bad)
    write_text(output / CLASSES_FILE, json.dumps(listing.classes.without_codes().to_list(), indent=1) + "\n")
    write_text(output / CARD, _card(listing, facts, height))
    DatasetCard.load(output / CARD)  # raises unless the front matter can be read
    finish_shards(output, facts)
    return facts


def push_dataset(folder: Path, repo_id: str, terms: Terms, public: bool) -> str:
    """Uploads a data set; files that are on the Hub already from an interrupted attempt are not uploaded again.

    Args:
        folder: of the data set.
        repo_id: its name on the Hub.
        terms: of the collection. If they forbid to publish it, the repo is private, and it says so.
        public: make it public nevertheless.

    Returns:
        Its address.

    Raises:
        ValueError: if the name is none, or the repo is public against the terms.
        ConnectionError: if the Hub could not be reached or refused.
    """
    check_repo_id(repo_id)
    private = not terms.may_be_published and not public
    if not terms.may_be_published:
        print(
            f"warning: the terms of {terms.title} don't allow others to publish it ({terms.address}); {repo_id} is "
            + (
                "private; only you and those you share it with see it." if private else "public nevertheless, as asked."
            ),
            file=sys.stderr,
        )
    api, failure = HfApi(), f"{repo_id}: could not be pushed"
    with push_errors(failure):
        repo_id = api.create_repo(repo_id, repo_type="dataset", private=private or None, exist_ok=True).repo_id
        is_public = api.dataset_info(repo_id).private is False
    if private and is_public:
        raise ValueError(f"{repo_id}: the repo is there already and public, against the terms of {terms.title}.")
    with push_errors(failure):
        commit = api.upload_folder(
            repo_id=repo_id,
            repo_type="dataset",
            folder_path=folder,
            ignore_patterns=[MADE],
            delete_patterns=[f"{DATA}/*"],
            commit_message=f"Upload {terms.title}",
        )
    return str(commit).partition("/commit/")[0].partition("/tree/")[0]


def _card(listing: Listing, facts: dict[str, Any], height: int | None) -> str:
    terms, classes = listing.terms, listing.classes
    licence = terms.license if terms.license in HUB_LICENSES else "other" if terms.license else None
    matter = {
        "license": licence,
        "license_name": terms.license if licence == "other" else None,
        "license_link": terms.address if licence == "other" and terms.address else None,
        "task_categories": ["image-segmentation", "image-to-image"],
        "pretty_name": terms.title,
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"{DATA}/{split}-*"} for split in facts["rows"]],
            }
        ],
    }
    front = yaml.safe_dump({key: value for key, value in matter.items() if value}, sort_keys=False, allow_unicode=True)
    splits = list(facts["rows"])
    shares = [
        [f"{pixels[index] / max(sum(pixels), 1):.2%}" for pixels in facts["pixels"].values()]
        for index in range(len(classes) + 1)
    ]
    names = [*map(escape, classes.names), "*unlabelled*"]
    are_files = all(isinstance(frame.photograph, Path) for frames in listing.splits.values() for frame in frames)
    sentences = [
        "Pairs of photograph (`image`) and label map (`label`: ids in one channel, 255 for unlabelled), made by "
        f"`crn dataset` from {escape(terms.title)}.",
        f"Photographs and label maps were resized to {height} pixels of height."
        if height is not None
        else f"Photographs are {'the files that they were' if are_files else 'PNG, without loss'}.",
    ]
    if listing.columns:
        sentences.append(f"Further columns: {', '.join(f'`{name}`' for name in listing.columns)}.")
    if unlabelled := [split for split, pixels in facts["pixels"].items() if not sum(pixels)]:
        sentences.append(f"The labels of {some(unlabelled)} are withheld: these rows have none.")
    sections = [
        f"# {escape(terms.title)}",
        " ".join(sentences),
        markdown_table(["split", "rows"], [[split, f"{rows:,}"] for split, rows in facts["rows"].items()]),
        "## Classes",
        "The share of pixels in each split; `classes.json` has the colours.",
        markdown_table(["class", *splits], [[name, *row] for name, row in zip(names, shares, strict=True)]),
    ]
    if facts["left_out"]:
        sections += [
            "## Left out",
            "\n".join(f"- {escape(Path(line.partition(': ')[0]).name)}" for line in facts["left_out"]),
        ]
    if terms.citation:
        sections += ["## Citation", f"Whoever publishes what is made with it cites: {escape(terms.citation)}"]
    if terms.address:
        sections += ["## Terms", " ".join(filter(None, [terms.condition, f"See {terms.address}."]))]
    return f"---\n{front}---\n" + "\n\n".join(sections) + "\n"
