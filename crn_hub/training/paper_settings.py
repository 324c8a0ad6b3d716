"""The paper's settings by name, and how a command line is completed from them."""

from cyclopts import App
from cyclopts.argument import ArgumentCollection
from cyclopts.config import Dict

from crn_hub.training.systems import SYSTEMS

_PAPER_WIDTHS = [1024, 1024, 1024, 1024, 1024, 512, 512, 128, 32]

# The settings of sections 3 and 4 and of the published code. What the command line says overrides them. The last two
# start from a model of half the resolution, given with --init_from.
PAPER_SETTINGS: dict[str, dict[str, object]] = {
    "paper-256p": {
        "resolution": [256], "widths": _PAPER_WIDTHS[:7], "num_images": 9, "num_train_epochs": 200,
        "learning_rate": 1e-4, "lr_scheduler": "constant", "perceptual_net": "vgg19", "calibration_epoch": 100,
    },
    "paper-512p": {
        "resolution": [512], "widths": _PAPER_WIDTHS[:8], "num_images": 1, "num_train_epochs": 20,
        "learning_rate": 1e-4, "lr_scheduler": "constant", "perceptual_net": "vgg19",
    },
    "paper-1024p": {
        "resolution": [1024], "widths": _PAPER_WIDTHS, "num_images": 1, "num_train_epochs": 5,
        "learning_rate": 1e-4, "lr_scheduler": "constant", "perceptual_net": "vgg19", "train_modules": "last:2",
    },
}  # fmt: skip


def apply_preset(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Completes the command line from the preset that it names."""
    given = {argument.name: argument.tokens[0].value for argument in arguments if argument.tokens}
    if (name := given.get("--preset")) in PAPER_SETTINGS:
        system = SYSTEMS.get(given.get("--system", "crn"), SYSTEMS["crn"])  # another name is refused elsewhere
        settings = {key: value for key, value in PAPER_SETTINGS[name].items() if system.knows(key)}
        if "--system" not in given:
            settings["system"] = "crn"
        if {"--calibration_step", "--loss_weights"} & set(given):
            settings.pop("calibration_epoch", None)
        Dict(settings, source=f"--preset {name}")(app, commands, arguments)
