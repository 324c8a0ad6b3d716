"""The web demo: run by `make demo`, and by a Space on the Hugging Face Hub.

CRN_MODEL names the model: a Hub id, a folder, or "box" for the model that comes with the package, which is the default.
"""

import os
import sys


def main() -> int:
    """Serves the page until it is stopped, at GRADIO_SERVER_NAME and GRADIO_SERVER_PORT."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # gradio reads it when it is imported
    from crn_hub import HubModel
    from crn_hub.box import BOX, resolve
    from crn_hub.demo import launch
    from crn_hub.memory import keep_freed_memory

    keep_freed_memory()
    # A browser is opened only if there is a display, and never on a Space or in CI.
    display = sys.platform in ("darwin", "win32") or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    try:
        model = HubModel.from_pretrained(resolve(os.environ.get("CRN_MODEL") or BOX))
        launch(model, inbrowser=display and not os.environ.keys() & {"SPACE_ID", "CI"})
    except (OSError, ValueError) as error:  # no model, or no free port
        print(f"app.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
