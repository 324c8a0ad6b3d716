"""Puts a network of `crn train-segmenter --backbone small` in the box of the package, in half precision, with its card.

python scripts/put_segmenter_in_box.py segmenter
"""

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from state_terms import SEGMENTER_TERMS

from crn_hub.box import SEGMENTER_IN_THE_BOX
from crn_hub.data.known_collections import COLLECTIONS
from crn_hub.hub.card import escape, markdown_table
from crn_hub.segmentation.segmenters import CONFIG, SMALL, WEIGHTS

MAX_BYTES = 3_000_000


def put(folder: Path) -> None:
    """
    Raises:
        ValueError: if it is another network, or too large.
    """
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    if config["architecture"] != SMALL:
        raise ValueError(f"{folder}: {config['architecture']}, not {SMALL}.")
    tensors = {name: t.half() if t.is_floating_point() else t for name, t in load_file(folder / WEIGHTS).items()}
    SEGMENTER_IN_THE_BOX.mkdir(exist_ok=True)
    save_file(tensors, SEGMENTER_IN_THE_BOX / WEIGHTS, {"format": "pt"})
    (SEGMENTER_IN_THE_BOX / WEIGHTS).chmod(0o644)
    if (size := (SEGMENTER_IN_THE_BOX / WEIGHTS).stat().st_size) > MAX_BYTES:
        raise ValueError(f"{folder}: {size:,} bytes in half precision; the box has room for {MAX_BYTES:,}.")
    (SEGMENTER_IN_THE_BOX / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (SEGMENTER_IN_THE_BOX / "README.md").write_text(card(config), encoding="utf-8")


def card(config: dict[str, Any]) -> str:
    """The network's README.md."""
    training = config["training"]
    scores, (height, width) = training["validation"], config["size"]
    ious = [[escape(name), "-" if iou is None else f"{iou:.3f}"] for name, iou in scores["class_iou"].items()]
    citations = "\n".join(f"- {escape(COLLECTIONS[name].citation)}" for name in ("camvid", "labelmefacade"))
    sentences = {
        "what": f"It finds the layout of a street photograph, for `crn segment` and the demo: LR-ASPP on "
        f"MobileNetV3-Small, {height} x {width} pixels, {training['steps']:,} steps on {training['rows']:,} rows in "
        f"{training['hours']:.1f} hours on two CPU cores, by `crn train-segmenter --backbone small`.",
        "limits": "It is small and often wrong: look at the layout and correct it. It has learned from streets by day, "
        "of Cambridge and of European towns. At night, in rooms, from the air and in streets that look different it "
        "knows nothing, and it finds a street in any photograph, because it has no label for anything else. Poles, "
        "signs, fences and people are seldom found.",
        "measures": f"On {scores['rows']} held-out rows its mean intersection over union is {scores['miou']:.3f}, and "
        f"{scores['pixel_accuracy']:.1%} of the labelled pixels are right.",
    }
    filled = {name: textwrap.fill(text, 120, break_on_hyphens=False) for name, text in sentences.items()}
    return "\n\n".join(
        [
            "# Segmentation network in the box",
            filled["what"],
            "## What it can and can't do",
            f"{filled['measures']}\n\n{filled['limits']}",
            markdown_table(["class", "intersection over union"], ious),
            "## Terms",
            f"It was trained on CamVid and LabelMeFacade, and is {SEGMENTER_TERMS}. Cite:\n\n{citations}",
        ]
    ) + "\n"  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python scripts/put_segmenter_in_box.py SEGMENTER")
    put(Path(sys.argv[1]))
