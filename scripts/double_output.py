"""Makes of a model with one image per layout one with two, a lighter and a darker one, to be trained on.

    python scripts/double_output.py crn-256 crn-256-two
    accelerate launch train_accelerate.py --init_from crn-256-two --num_images 2 ...

With an output layer that starts at random, one image soon wins everywhere and the others learn nothing; two that
differ a little both keep a part in the per-class minimum. The last stage of the model in the box began so.
"""

import sys

import torch

from crn_hub import CRN

# Gain and offset on the scale -1..1 of the two images.
LIGHTER, DARKER = (1.08, 0.10), (1.05, -0.14)


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: python scripts/double_output.py MODEL OUTPUT")
    model = CRN.from_pretrained(sys.argv[1])
    if model.num_images != 1:
        sys.exit(f"{sys.argv[1]} gives {model.num_images} images; right is a model that gives one")
    two = CRN(model.classes, model.widths, model.base_size, num_images=2)
    two.stages.load_state_dict(model.stages.state_dict())
    with torch.no_grad():
        for image, (gain, offset) in enumerate((LIGHTER, DARKER)):  # image u has the channels u, u + 2, u + 4
            two.to_images.weight[image::2] = model.to_images.weight * gain
            two.to_images.get_parameter("bias")[image::2] = model.to_images.get_parameter("bias") * gain + offset
    two.training_record = model.training_record
    two.save_pretrained(sys.argv[2])


if __name__ == "__main__":
    main()
