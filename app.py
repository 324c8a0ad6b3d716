"""The web demo: run by `make demo`, and by a Space on the Hugging Face Hub.

CRN_MODEL names the model (a Hub id or a folder); without it the one in the box is shown.
"""

import os
import sys


def main() -> int:
    """Serves the page until it is stopped; GRADIO_SERVER_NAME and GRADIO_SERVER_PORT say where."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported
    from crn_hub import HubModel
    from crn_hub.demo import launch

    # A browser can be opened where somebody sits in front of a display, not on a Space or in CI.
    display = sys.platform in ("darwin", "win32") or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    try:
        model = HubModel.from_pretrained(os.environ.get("CRN_MODEL") or None)
        launch(model, inbrowser=display and not os.environ.keys() & {"SPACE_ID", "CI"})
    except (OSError, ValueError) as error:  # no model, or no free port
        print(f"app.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
