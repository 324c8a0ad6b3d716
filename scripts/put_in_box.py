"""Makes a trained model the model in the box of the package: in half precision, with its card and samples.

    python scripts/put_in_box.py crn-256 "$CAMVID"

The second argument names the data that it was trained on. The samples are some held-out layouts of these, with the
photographs that may be shown. Writes, too, what the project says of it elsewhere: its checksum and its outputs on three
layouts, for tests/test_box.py, the rows of its samples, for tests/test_pictures.py, and its terms (state_terms.py).
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image
from state_terms import state_terms

from crn_hub import CRN
from crn_hub.box import MODEL_IN_THE_BOX
from crn_hub.classes import UNLABELLED, read_layout
from crn_hub.data import PairDataset, collections_of, find_classes, hidden_rows, load_rows, spread
from crn_hub.data.known_collections import COLLECTIONS
from crn_hub.hub.model_folder import SAMPLES, WEIGHTS
from crn_hub.metrics.contact_sheet import draw_grid
from crn_hub.pictures import save_picture, to_255, to_pixels

ROOT = Path(__file__).parent.parent
EXPECTED = ROOT / "tests" / "data" / "box.npz"
PICTURES = ROOT / "tests" / "data" / "pictures.json"
MAX_BYTES = 12_000_000
SAMPLE_ROWS = 4
NOTES = (
    "The data are 295 photographs from a car in Cambridge (Brostow, Fauqueur, Cipolla, 2009: Semantic object classes "
    "in video), for research use; so are these weights. Trained for the hours stated above on two CPU cores, pauses "
    "included, some sixty passes over 295 photographs of one town, many of them at a lower resolution and the last "
    "ones with a quarter of each image in the loss, where the paper made 200 passes over ten times the data. In the "
    "last stage but one a quarter of the layouts was simplified for the first 328 steps. Expect the regions of the "
    "layout in the light of a street: clear outlines, sky, road, trees, walls and cars told apart and shaded, but "
    "flat, greyish surfaces with hardly any texture. It gives two images per layout, a lighter and a darker one. All "
    "measures are of 68 photographs from the same three drives as those it was trained on: too few for small "
    "differences to mean something, and too near for them to say much of other places. Layouts that no photograph "
    "has, from single classes to squares of all of them, give flat pictures rather than broken ones "
    "(benchmarks/model_in_the_box)."
)


def outputs_on_three_layouts(model: CRN) -> dict[str, np.ndarray]:
    """Outputs averaged to (K, 3, 16, 32), on the 0..255 scale: for two of the demo's layouts and an unlabelled one."""
    examples = ROOT / "crn_hub" / "demo" / "examples"
    layouts = {name: read_layout(examples / f"{name}.png", model.classes).ids for name in ("avenue", "crayon-street")}
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
    return draw_grid(titles, lines, model.size), [row for row in rows if row not in hidden]


def list_samples(folder: Path, photographs: dict[str, list[int]], file: Path = PICTURES) -> None:
    """Lists the samples in `folder`, a model's in the box, among the committed pictures: which rows held-out.png shows.

    Args:
        folder: that of the model.
        photographs: data set/split -> rows.
        file: the list.
    """
    pictures = {name: rows for name, rows in json.loads(file.read_text()).items() if f"/{SAMPLES}/" not in name}
    for picture in sorted((folder / SAMPLES).iterdir()):
        name = f"crn_hub/pretrained/{folder.name}/{SAMPLES}/{picture.name}"
        pictures[name] = photographs if picture.name == "held-out.png" else {}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(rows)}" for name, rows in sorted(pictures.items()))
    file.write_text(f"{{\n{lines}\n}}\n")


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: python scripts/put_in_box.py MODEL_FOLDER DATA")
    source, name = Path(sys.argv[1]), sys.argv[2]
    model = CRN.from_pretrained(source).half().float()
    train, held_out = load_rows(name)
    data = PairDataset(held_out, find_classes(name), model.size)
    if data.classes != model.classes:
        sys.exit(f"{name}: its classes are not those of {source}; name the data that it was trained on")
    sources = collections_of(train) or [COLLECTIONS["camvid"]]  # data that name no sources are CamVid's
    model.training_record["dataset"] = " and ".join(source.name for source in sources)
    model.training_record["citations"] = [source.citation for source in sources]
    model.training_record["notes"] = NOTES
    samples, shown = draw_samples(model, data)
    shutil.rmtree(MODEL_IN_THE_BOX, ignore_errors=True)
    save_picture(samples, MODEL_IN_THE_BOX / SAMPLES / "held-out.png")
    shutil.copy(source / SAMPLES / "loss-curves.png", MODEL_IN_THE_BOX / SAMPLES)
    model.half().save_pretrained(MODEL_IN_THE_BOX)
    size = (MODEL_IN_THE_BOX / WEIGHTS).stat().st_size
    if size > MAX_BYTES:
        sys.exit(f"the weights take {size:,} bytes; at most {MAX_BYTES:,} are allowed")
    checksum = hashlib.sha256((MODEL_IN_THE_BOX / WEIGHTS).read_bytes()).hexdigest()
    expected = outputs_on_three_layouts(CRN.from_pretrained())
    np.savez_compressed(EXPECTED, sha256=checksum, **expected)  # type: ignore[arg-type]
    list_samples(MODEL_IN_THE_BOX, {f"{'streets' if collections_of(train) else 'camvid'}/validation": shown})
    state_terms()
    print(f"{MODEL_IN_THE_BOX}: {model.num_parameters:,} parameters, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
