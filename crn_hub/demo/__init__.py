"""The web demo: a layout and the photograph that a model makes of it, side by side in the browser."""

from crn_hub.demo.page import build, launch

__all__ = ["build", "launch"]
