"""Makes a trained model the model in the box of the package: in half precision, with its card and samples.

    python scripts/put_in_box.py crn-256

Also saves its checksum and its outputs on three layouts, for tests/test_box.py.
"""

import hashlib
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from crn_hub import CRN
from crn_hub.box import MODEL_IN_THE_BOX
from crn_hub.classes import UNLABELLED, read_layout
from crn_hub.hub.model_folder import WEIGHTS
from crn_hub.pictures import to_255

ROOT = Path(__file__).parent.parent
EXPECTED = ROOT / "tests" / "data" / "box.npz"
MAX_BYTES = 12_000_000
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


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python scripts/put_in_box.py MODEL_FOLDER")
    source = Path(sys.argv[1])
    model = CRN.from_pretrained(source).half()
    model.training_record["dataset"] = "CamVid"
    model.training_record["notes"] = NOTES
    shutil.rmtree(MODEL_IN_THE_BOX, ignore_errors=True)
    shutil.copytree(source / "samples", MODEL_IN_THE_BOX / "samples")
    model.save_pretrained(MODEL_IN_THE_BOX)
    size = (MODEL_IN_THE_BOX / WEIGHTS).stat().st_size
    if size > MAX_BYTES:
        sys.exit(f"the weights take {size:,} bytes; at most {MAX_BYTES:,} are allowed")
    checksum = hashlib.sha256((MODEL_IN_THE_BOX / WEIGHTS).read_bytes()).hexdigest()
    expected = outputs_on_three_layouts(CRN.from_pretrained())
    np.savez_compressed(EXPECTED, sha256=checksum, **expected)  # type: ignore[arg-type]
    print(f"{MODEL_IN_THE_BOX}: {model.num_parameters:,} parameters, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
