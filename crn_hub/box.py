"""What comes with the package, called "box" by every command: a model, and a network that labels photographs."""

from pathlib import Path

BOX = "box"
PRETRAINED = Path(__file__).parent / "pretrained"
MODEL_IN_THE_BOX = PRETRAINED / "crn-streets-256p"
SEGMENTER_IN_THE_BOX = PRETRAINED / "segmenter-streets"


def resolve(name: str) -> str:
    """The folder or Hub id that a model's name given to a command stands for: itself, except for "box".

    Raises:
        FileNotFoundError: if the model in the box is asked for and was not installed with the package.
    """
    return _resolve(name, MODEL_IN_THE_BOX, "model")


def resolve_segmenter(name: str) -> str:
    """The same for a segmentation network."""
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
