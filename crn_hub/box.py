"""The model in the box: the one that comes with the package, called "box" by every command."""

from pathlib import Path

BOX = "box"
MODEL_IN_THE_BOX = Path(__file__).parent / "pretrained" / "crn-streets-256p"


def resolve(name: str) -> str:
    """The folder or Hub id that a name given to a command stands for: itself, except for "box".

    Raises:
        FileNotFoundError: if the model in the box is asked for and was not installed with the package.
    """
    if name != BOX:
        return name
    if not MODEL_IN_THE_BOX.is_dir():
        raise FileNotFoundError(
            f"{BOX}: the model that comes with crn_hub is missing ({MODEL_IN_THE_BOX}); install crn_hub again, or name "
            "a folder or a Hub id."
        )
    return str(MODEL_IN_THE_BOX)
