"""What models are called: "box" is what comes with the package, and a checkpoint of a run stands for its model."""

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
    model = Path(name) / MODEL_OF_CHECKPOINT
    if name and not (Path(name) / CONFIG).exists() and (model / CONFIG).is_file():
        return str(model)
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
