"""Photographs of paintings, in the colours that somebody has chosen, and as the page shows them."""

import base64
import io
import time
from dataclasses import replace

import numpy as np
from PIL import Image, ImageOps

from crn_hub.demo.painting import Painting
from crn_hub.networks import HubModel
from crn_hub.pictures import Photograph, compose, read_photograph
from crn_hub.styles import StyleMix

STRIP_SIZE = (288, 72)  # pixels, width and height that the small pictures of the strip fit into
SWATCHES = 12  # of a class
CENTRE = (0.5, 0.6)  # across and down: what is kept of a photograph; streets are below the middle
ALIKE = 24  # colours less far apart than this, in 0..255, are one swatch


def has_styles(network: HubModel) -> bool:
    """Whether a painting chooses among this network's styles, and not among several images of a layout."""
    return bool(network.styles) and network.num_images == 1


def has_seed(network: HubModel) -> bool:
    """Whether a seed changes the network's photographs."""
    try:
        network.check_choice(None, 1)
    except ValueError:
        return False
    return True


def photograph_of(network: HubModel, painting: Painting) -> tuple[Image.Image, list[Image.Image], float]:
    """The photograph as painted and mixed, all outputs, and the network's milliseconds.

    Raises:
        ValueError: if the painting chooses what the network doesn't have.
    """
    started = time.perf_counter()
    if has_styles(network):
        choice = np.zeros_like(painting.ids) if painting.choice is None else painting.choice
        styles = (*network.styles, *painting.styles)
        mix = StyleMix(styles, choice, painting.by_hand, painting.colors)
        outputs = network.synthesize(painting.ids, style=mix, seed=painting.seed)
    else:
        outputs = network.synthesize(painting.ids, seed=painting.seed)
    milliseconds = (time.perf_counter() - started) * 1000
    is_mixed = painting.choice is not None and not has_styles(network)
    return compose(outputs, painting.choice) if is_mixed else outputs[0], outputs, milliseconds  # type: ignore[arg-type]


def small_photograph_of(network: HubModel, painting: Painting, style: int) -> Image.Image:
    """A small photograph of the painting as if all of it took the colours of one style, by its number."""
    whole = replace(painting, choice=np.full_like(painting.ids, style))
    return small(photograph_of(network, whole)[0])


def small(picture: Image.Image) -> Image.Image:
    """A copy for the strip."""
    picture = picture.copy()
    picture.thumbnail(STRIP_SIZE)
    return picture


def swatches(network: HubModel) -> list[list[list[int]]]:
    """For each class, and unlabelled last, the colours that its regions have in the network's styles, RGB in 0..255,
    from dark to light and without those that look alike."""
    found = []
    for kind in (*range(len(network.classes)), 255):
        colors: list[tuple[int, int, int]] = []
        shares = [share for style in network.styles for share in style.colors[kind]]
        for color, _ in sorted(shares, key=lambda share: -share[1]):
            if all(np.linalg.norm(np.subtract(color, other)) >= ALIKE for other in colors):
                colors.append(color)
        found.append([list(color) for color in sorted(colors[:SWATCHES], key=sum)])
    return found


def cut(photograph: Photograph, size: tuple[int, int]) -> Image.Image:
    """A photograph at a size, (height, width); what doesn't fit its shape is cut off, a little more above than below.

    Raises:
        ValueError: if it cannot be read.
    """
    height, width = size
    picture = Image.fromarray(read_photograph(photograph))
    return ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS, centering=CENTRE)


def data_url(picture: Image.Image) -> str:
    """A JPEG for display, in the answer itself, so that the page need not ask again. Saved files are PNG."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=92, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
