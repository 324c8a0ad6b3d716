"""Plots that are not drawn, for tests that don't look at them: to draw them takes longer than what is tested."""

from matplotlib.figure import Figure
from PIL import Image


def blank(figure: Figure) -> Image.Image:
    """In place of `crn_hub.pictures.draw_plot`: a white picture of the same size."""
    return Image.new("RGB", figure.canvas.get_width_height(), "white")
