"""The web demo: run by `make demo`, and by a Space on the Hugging Face Hub.

CRN_MODEL names the model: a Hub id, a folder, or "box" for the model that comes with the package, which is the default.
"""

import os
import sys
import tempfile
from pathlib import Path

NUMBERS = {"GRADIO_SERVER_PORT": (0, 65535), "GRADIO_NUM_PORTS": (1, 65535)}  # gradio's settings: least, most


def check_settings() -> None:
    """Checks settings that gradio reads when it is imported, or only when a visitor has come.

    Raises:
        ValueError: if a setting that should be a number is none, or out of range.
        OSError: if the folder for temporary files can't be written to.
    """
    for name, (least, most) in NUMBERS.items():
        text = os.environ.get(name, str(least))
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"{name} is {text!r}; it must be a number from {least} to {most}.")
    folder = os.environ.get("GRADIO_TEMP_DIR")
    try:
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        where = f"GRADIO_TEMP_DIR {folder}" if folder is not None else "the folder for temporary files"
        name = "TMPDIR" if folder is None else "GRADIO_TEMP_DIR"
        raise OSError(
            f"{where}: nothing can be written there ({error.strerror or error}), where files of visitors are kept; set "
            f"{name} to another folder."
        ) from error


def main() -> int:
    """Serves the page until it is stopped, at GRADIO_SERVER_NAME and GRADIO_SERVER_PORT."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # gradio reads it when it is imported
    # A browser is opened only if there is a display, and never on a Space or in CI.
    display = sys.platform in ("darwin", "win32") or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    try:
        from crn_hub.cli import print_in_any_encoding

        print_in_any_encoding()
        check_settings()
        from crn_hub import HubModel
        from crn_hub.box import BOX
        from crn_hub.demo import launch
        from crn_hub.memory import keep_freed_memory

        keep_freed_memory()
        model = HubModel.from_pretrained(os.environ.get("CRN_MODEL") or BOX)
        launch(model, inbrowser=display and not os.environ.keys() & {"SPACE_ID", "CI"})
    except (OSError, ValueError) as error:  # a setting, no model, or no free port
        print(f"app.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
