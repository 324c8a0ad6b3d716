"""A painting as text: the value that page and server exchange, the fragment of a link, what the browser keeps.

`WIDTHxHEIGHT.IDS` or `WIDTHxHEIGHT.IDS.CHOICE`, each part one byte per pixel, row by row, as a zlib stream in
base64url without padding. `static/codec.js` is the other side.
"""

import base64
import binascii
import re
import zlib
from dataclasses import dataclass

import numpy as np

from crn_hub.classes import LayoutError

# The largest layouts that can be painted on the page.
MAX_PAINTING_PIXELS = 2048 * 2048
MAX_SIDE = 8192


@dataclass(frozen=True)
class Painting:
    """What somebody has painted.

    Attributes:
        ids: uint8 (H, W), class ids and 255 for unlabelled.
        choice: uint8 (H, W), for each pixel which of the model's k images it is taken from; None: all from the first.
        revision: how often the layout on the page had changed; None if it isn't from there. Not part of the text.
    """

    ids: np.ndarray
    choice: np.ndarray | None = None
    revision: int | None = None

    def to_text(self) -> str:
        """The text that `from_text` reads."""
        height, width = self.ids.shape
        planes = [self.ids] if self.choice is None else [self.ids, self.choice]
        return ".".join([f"{width}x{height}", *map(_pack, planes)])

    @classmethod
    def from_text(cls, text: str) -> "Painting":
        """Reads what `to_text` or the page wrote; the ids are not yet checked against a class set.

        Raises:
            LayoutError: for text that is not a painting, and for a painting larger than the limits; no more is unpacked
                than the stated size needs.
        """
        size, *planes = text.split(".") if isinstance(text, str) else [""]
        found = re.fullmatch(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", size, re.ASCII)
        if not found or len(planes) not in (1, 2):
            raise LayoutError("painting: not of the form WIDTHxHEIGHT.IDS or WIDTHxHEIGHT.IDS.CHOICE.")
        width, height = int(found[1]), int(found[2])
        check_size(height, width, "painting")
        unpacked = [_unpack(plane, height, width) for plane in planes]
        return cls(unpacked[0], unpacked[1] if len(unpacked) > 1 else None)


def check_size(height: int, width: int, source: str) -> None:
    """Raises a LayoutError, which begins with `source`, for a size that can't be painted."""
    if height * width > MAX_PAINTING_PIXELS or max(height, width) > MAX_SIDE:
        raise LayoutError(
            f"{source}: {width} x {height} pixels; on this page a layout may have {MAX_PAINTING_PIXELS:,}, and "
            f"{MAX_SIDE:,} on a side."
        )


def _pack(plane: np.ndarray) -> str:
    packed = zlib.compress(np.ascontiguousarray(plane, np.uint8).tobytes(), 6)
    return base64.urlsafe_b64encode(packed).decode("ascii").rstrip("=")


def _unpack(plane: str, height: int, width: int) -> np.ndarray:
    pixels = height * width
    try:
        packed = base64.b64decode(plane + "=" * (-len(plane) % 4), altchars=b"-_", validate=True)
        stream = zlib.decompressobj()
        unpacked = stream.decompress(packed, pixels + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise LayoutError("painting: its pixels are damaged.") from error
    if len(unpacked) != pixels or not stream.eof or stream.unused_data:
        raise LayoutError(f"painting: its pixels are not the {width} x {height} that it says.")
    return np.frombuffer(unpacked, np.uint8).reshape(height, width)
