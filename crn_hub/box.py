"""What models are called: "box" is what comes with the package, and a checkpoint of a run stands for its model."""

import os
from pathlib import Path

from crn_hub.hub.model_folder import CONFIG

BOX = "box"
PRETRAINED = Path(__file__).parent / "pretrained"
MODEL_IN_THE_BOX = PRETRAINED / "crn-streets-256p"
SEGMENTER_IN_THE_BOX = PRETRAINED / "segmenter-streets"
MODEL_OF_CHECKPOINT = "model"  # the folder within a checkpoint


def resolve(name: str) -> str:
    """The folder or Hub id that a model's name stands for.

    That is the name itself, except for "box", and for the folder of a training checkpoint, which holds its model in
    a folder of its own. A folder that is called box is "./box".

    Raises:
        FileNotFoundError: if the model in the box is asked for and was not installed with the package.
    """
    model = os.path.join(name, MODEL_OF_CHECKPOINT)
    # Path.is_file fails where a name is too long to be that of a file.
    if name and not os.path.exists(os.path.join(name, CONFIG)) and os.path.isfile(os.path.join(model, CONFIG)):
        return model
    return _resolve(name, MODEL_IN_THE_BOX, "model")


def resolve_segmenter(name: str) -> str:
    """The same for a segmentation network, which is trained without checkpoints."""
    return _resolve(name, SEGMENTER_IN_THE_BOX, "segmentation network")


def _resolve(name: str, folder: Path, what: str) -> str:
    if name != BOX:
        return name
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{BOX}: the {what} that comes with crn_hub is missing ({folder}); install crn_hub again, or name a folder "
            "or a Hub id."
        )
    return str(folder)
