"""The model in the box: the one that comes with the package, which commands know as "box"."""

from pathlib import Path

BOX = "box"
MODEL_IN_THE_BOX = Path(__file__).parent / "pretrained" / "crn-camvid-256p"


def resolve(name: str) -> str:
    """The folder or Hub id that a command's model name stands for: "box" is the model in the box."""
    return str(MODEL_IN_THE_BOX) if name == BOX else name
