"""Puts a trained model in the box of the package: in half precision, with its card and samples.

Used by renew_box.py, the command, which renews all that is said of the model elsewhere as well.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image

from crn_hub import CRN
from crn_hub.box import MODEL_IN_THE_BOX
from crn_hub.classes import UNLABELLED, read_layout
from crn_hub.data import PairDataset, collections_of, find_classes, hidden_rows, load_rows, spread
from crn_hub.data.known_collections import COLLECTIONS
from crn_hub.hub.model_folder import SAMPLES, WEIGHTS
from crn_hub.hub.model_folder import STYLES as STYLES_PICTURE
from crn_hub.metrics.contact_sheet import draw_styles
from crn_hub.picture_grids import draw_grid
from crn_hub.pictures import save_picture, to_255, to_pixels
from crn_hub.styles import Style, styles_of
from crn_hub.training.rows import styles_of_rows

ROOT = Path(__file__).parent.parent
EXPECTED = ROOT / "tests" / "data" / "box.npz"
PICTURES = ROOT / "tests" / "data" / "pictures.json"
EXAMPLES = ROOT / "crn_hub" / "demo" / "examples"
MAX_BYTES = 10_000_000
SAMPLE_ROWS = 4
SAMPLE_TILE, STYLE_TILE = (
    (128, 256),
    (96, 192),
)  # (height, width) of pictures in samples, in pixels: PNG files are large
# Training rows whose photographs' colours are the styles, found by looking at what the model makes of many; the first
# is the default. The names say what one sees.
STYLES = {
    12: "brick under a blue sky",
    340: "midday",
    15: "grey stone, blue sky",
    604: "pale morning",
    779: "overcast",
    890: "dusk",
    663: "nightfall",
}
SHOWN_LAYOUTS = ("avenue", "high-street", "park-road")  # of the demo, in samples/styles.png and in README.md


def outputs_on_three_layouts(model: CRN) -> dict[str, np.ndarray]:
    """Outputs averaged to (K, 3, 16, 32), on the 0..255 scale: for two of the demo's layouts and an unlabelled one."""
    layouts = {name: read_layout(EXAMPLES / f"{name}.png", model.classes).ids for name in ("avenue", "crayon-street")}
    layouts["nothing"] = np.full(model.size, UNLABELLED, dtype=np.uint8)
    outputs = {}
    for name, ids in layouts.items():
        with torch.inference_mode():
            images = model(torch.from_numpy(ids)[None])[0]
        outputs[name] = (F.adaptive_avg_pool2d(to_255(images), (16, 32))).numpy()
    return outputs


def draw_samples(model: CRN, data: PairDataset) -> tuple[Image.Image, list[int]]:
    """A grid of held-out rows, layout | the k outputs | photograph, and the rows whose photographs it shows."""
    rows, hidden = spread(len(data), SAMPLE_ROWS), hidden_rows(data.rows)
    lines = []
    for row in rows:
        ids = data[row]["ids"].numpy()
        photograph = None if row in hidden else Image.fromarray(to_pixels(data[row]["photograph"]))
        lines.append((f"row {row}", [data.classes.to_image(ids).convert("RGB"), *model.synthesize(ids), photograph]))
    titles = ["layout", *(f"image {number}" for number in range(1, model.num_images + 1)), "photograph"]
    return draw_grid(titles, lines, SAMPLE_TILE), [row for row in rows if row not in hidden]


def styles_of_box(model: CRN, rows: Any) -> tuple[Style, ...]:
    """The styles in `STYLES`, of rows of the data that the model was trained on."""
    photographs, sources, of_rows = styles_of_rows(PairDataset(rows, model.classes, model.size))
    return styles_of(photographs, sources, model.kinds, [of_rows.index(row) for row in STYLES], [*STYLES.values()])


def shown_layouts(model: CRN) -> dict[str, np.ndarray]:
    """The ids of `SHOWN_LAYOUTS`, by their names."""
    return {name: read_layout(EXAMPLES / f"{name}.png", model.classes).ids for name in SHOWN_LAYOUTS}


def list_pictures(folder: str, pictures: dict[str, dict[str, list[int]]], file: Path = PICTURES) -> None:
    """Lists the pictures of a folder among the committed ones, in place of those that were listed there.

    Args:
        folder: its path in the project.
        pictures: by their paths in the folder, the rows whose photographs each shows: data set/split -> row numbers.
        file: the list.
    """
    listed = {
        name: rows
        for name, rows in json.loads(file.read_text(encoding="utf-8")).items()
        if not name.startswith(f"{folder}/")
    }
    listed |= {f"{folder}/{name}": rows for name, rows in pictures.items()}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(rows)}" for name, rows in sorted(listed.items()))
    file.write_text(f"{{\n{lines}\n}}\n")


def put_in_box(source: Path, data_name: str) -> None:
    """Makes a model the one in the box.

    Args:
        source: its folder, as training left it.
        data_name: the data that it was trained on. The samples are some held-out layouts of these, with the photographs
            that may be shown.

    Raises:
        ValueError: if the data have other classes, or the weights are too large.
    """
    model = CRN.from_pretrained(source).half().float()
    train, held_out, *_ = load_rows(data_name)
    data = PairDataset(held_out, find_classes(data_name), model.size)
    if data.classes != model.classes:
        raise ValueError(f"{data_name}: its classes are not those of {source}; name the data that it was trained on.")
    if (size := 2 * model.num_parameters) > MAX_BYTES:
        raise ValueError(f"{source}: its weights would take {size:,} bytes; at most {MAX_BYTES:,} are allowed.")
    curves = (source / SAMPLES / "loss-curves.png").read_bytes()
    sources = collections_of(train) or [COLLECTIONS["camvid"]]  # data that name no sources are CamVid's
    model.set_styles(styles_of_box(model, train))
    model.training_record["dataset"] = " and ".join(source.name for source in sources)
    model.training_record["citations"] = [source.citation for source in sources]
    samples, shown = draw_samples(model, data)
    shutil.rmtree(MODEL_IN_THE_BOX, ignore_errors=True)
    save_picture(samples, MODEL_IN_THE_BOX / SAMPLES / "held-out.png")
    save_picture(draw_styles(model, shown_layouts(model), STYLE_TILE), MODEL_IN_THE_BOX / SAMPLES / STYLES_PICTURE)
    (MODEL_IN_THE_BOX / SAMPLES / "loss-curves.png").write_bytes(curves)
    model.half().save_pretrained(MODEL_IN_THE_BOX)
    split = f"{'streets' if collections_of(train) else 'camvid'}/validation"
    samples_folder = f"{MODEL_IN_THE_BOX.name}/{SAMPLES}"
    made = (f"{samples_folder}/loss-curves.png", f"{samples_folder}/{STYLES_PICTURE}")
    shown_in = {f"{samples_folder}/held-out.png": {split: shown}, **{name: {} for name in made}}
    list_pictures("crn_hub/pretrained", shown_in)


def pin_outputs() -> None:
    """Saves the checksum and some outputs of the model in the box, for tests/test_box.py."""
    checksum = hashlib.sha256((MODEL_IN_THE_BOX / WEIGHTS).read_bytes()).hexdigest()
    expected = outputs_on_three_layouts(CRN.from_pretrained())
    np.savez_compressed(EXPECTED, sha256=checksum, **expected)  # type: ignore[arg-type]
