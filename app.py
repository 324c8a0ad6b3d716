"""The web demo: run by `make demo`, and by a Space on the Hugging Face Hub.

CRN_MODEL names the model: a Hub id, a folder, or "box" for the model that comes with the package, which is the default.
"""

import os
import sys
import tempfile
from pathlib import Path

NUMBERS, MOST = ("GRADIO_SERVER_PORT", "GRADIO_NUM_PORTS"), 65535  # gradio's settings, from 1 to this
PROXIES = ("http", "https", "socks5", "socks5h")  # kinds that the clients know


def check_settings() -> None:
    """Checks settings that gradio reads when it is imported, or only when a visitor has come.

    Raises:
        ValueError: if a setting that should be a number is none, or out of range, or a proxy of an unknown kind.
        OSError: if the folder for the files of visitors can't be written to.
    """
    from urllib.request import getproxies  # not before Ctrl-C can be answered: it imports a lot

    for name in NUMBERS:
        text = os.environ.get(name, "1")
        if not text.isdecimal() or not 1 <= int(text) <= MOST:
            raise ValueError(f"{name} is {text!r}; it must be a number from 1 to {MOST}.")
    for scheme, address in getproxies().items():
        kind = address.partition("://")[0]
        if scheme in ("http", "https", "all") and "://" in address and kind not in PROXIES:
            raise ValueError(f"{scheme}_proxy names a proxy of the kind {kind!r}; known are {', '.join(PROXIES)}.")
    folder = Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir(), "gradio"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(2**16))
            file.flush()
    except OSError as error:
        raise OSError(
            f"{folder}: nothing can be written there ({error.strerror or error}), where files of visitors are kept; "
            "set GRADIO_TEMP_DIR to another folder."
        ) from error


def main() -> int:
    """Serves the page until it is stopped, at GRADIO_SERVER_NAME and GRADIO_SERVER_PORT."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # gradio reads it when it is imported
    # A browser is opened only if there is a display, and never on a Space or in CI.
    display = sys.platform in ("darwin", "win32") or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    try:
        check_settings()
        from crn_hub import HubModel
        from crn_hub.box import BOX
        from crn_hub.cli import printing_never_fails
        from crn_hub.demo import launch
        from crn_hub.memory import keep_freed_memory

        keep_freed_memory()
        with printing_never_fails():
            model = HubModel.from_pretrained(os.environ.get("CRN_MODEL") or BOX)
            launch(model, inbrowser=display and not os.environ.keys() & {"SPACE_ID", "CI"})
    except (OSError, ValueError) as error:  # a setting, no model, or no free port
        print(f"app.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before the page is served
        print("app.py: interrupted.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
