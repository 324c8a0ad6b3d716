"""Puts a trained model into the package as the model in the box: half precision, with its card and samples.

python scripts/put_in_box.py crn-256
"""

import shutil
import sys
from pathlib import Path

from crn_hub import CRN
from crn_hub.model import MODEL_IN_THE_BOX, WEIGHTS

MAX_BYTES = 12_000_000
NOTES = (
    "The data are 295 photographs from a car in Cambridge (Brostow, Fauqueur, Cipolla, 2009: Semantic object "
    "classes in video), for research use; so are these weights. Trained for the hours stated above on two CPU "
    "cores, pauses included, some forty passes over 295 photographs of one town, half of them at a lower "
    "resolution, where the paper made 200 passes over ten times the data. Expect the regions of the layout in the "
    "light of a street: clear outlines, sky, road, trees, walls and cars told apart and shaded, but flat, greyish "
    "surfaces with hardly any texture. It gives two images per layout, a lighter and a darker one: for the last "
    "three stages the output layer was doubled (scripts/double_output.py), so that both had a part in the minimum "
    "over the images. All measures are of 68 photographs from the same three drives as those it was trained on: "
    "too few for small differences to mean something, and too near for them to say much of other places."
)


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
        sys.exit(f"the weights take {size:,} bytes; at most {MAX_BYTES:,} are wanted")
    print(f"{MODEL_IN_THE_BOX}: {model.num_parameters:,} parameters, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
