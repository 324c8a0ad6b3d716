"""A painting as text: the value that page and server exchange, the fragment of a link, what the browser keeps.

    WIDTHxHEIGHT.IDS[.CHOICE[.HAND]][~sSEED][~cCOLORS][~vSTYLE[.STYLE ...]][~dDEFAULTS]

IDS, CHOICE and HAND have one byte per pixel, row by row, as a zlib stream in base64url without padding; CHOICE may be
empty if HAND isn't. SEED is a decimal number, COLORS six hexadecimal digits each, and a STYLE what `pack_style` writes.
DEFAULTS, in hexadecimal too, say what pixels will get that somebody paints next; only the page needs them.
`static/codec.js` is the other side.
"""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from crn_hub.classes import LayoutError
from crn_hub.styles import Style

# The largest layouts that can be painted on the page.
MAX_PAINTING_PIXELS = 2048 * 2048
MAX_SIDE = 8192
MAX_SEED = 999_999
MAX_COLORS = 255  # by hand, of one painting
MAX_STYLES = 8  # that a painting brings along
MAX_STYLE_BYTES = 2**16  # of one of them, unpacked


@dataclass(frozen=True)
class Painting:
    """What somebody has painted.

    Attributes:
        ids: uint8 (H, W), class ids and 255 for unlabelled.
        choice: uint8 (H, W), for each pixel which of the model's k images it is taken from, or for a model with styles,
            whose colours its region takes: those of a style of the model, or after these, of the painting. None: all
            from the first.
        by_hand: uint8 (H, W), for each pixel 0, or n if its colour is the n-th of `colors`, from 1; None: 0 everywhere.
        colors: chosen by hand, RGB in 0..255.
        seed: of details, and of the colours that a style gives to regions; 0..MAX_SEED.
        styles: of photographs that somebody has given.
        defaults: as the page wrote them.
        revision: how often the layout on the page had changed; None if it isn't from there. Not part of the text.
    """

    ids: np.ndarray
    choice: np.ndarray | None = None
    by_hand: np.ndarray | None = None
    colors: tuple[tuple[int, int, int], ...] = ()
    seed: int = 0
    styles: tuple[Style, ...] = ()
    defaults: str = ""
    revision: int | None = None

    def to_text(self) -> str:
        """The text that `from_text` reads."""
        height, width = self.ids.shape
        planes = [_pack(self.ids)]
        if self.choice is not None or self.by_hand is not None:
            planes.append("" if self.choice is None else _pack(self.choice))
        if self.by_hand is not None:
            planes.append(_pack(self.by_hand))
        parts = [".".join([f"{width}x{height}", *planes])]
        parts += [f"s{self.seed}"] if self.seed else []
        parts += ["c" + b"".join(map(bytes, self.colors)).hex()] if self.colors else []
        parts += ["v" + ".".join(map(pack_style, self.styles))] if self.styles else []
        parts += ["d" + self.defaults] if self.defaults else []
        return "~".join(parts)

    @classmethod
    def from_text(cls, text: str) -> "Painting":
        """Reads what `to_text` or the page wrote; the ids are not yet checked against a class set, nor choices against
        the styles of a model.

        Raises:
            LayoutError: for text that is not a painting, and for a painting larger than the limits; no more is unpacked
                than the stated size needs.
        """
        layout, *others = text.split("~") if isinstance(text, str) else [""]
        size, *planes = layout.split(".")
        found = re.fullmatch(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", size, re.ASCII)
        if not found or len(planes) not in (1, 2, 3):
            raise LayoutError("painting: not of the form WIDTHxHEIGHT.IDS, with .CHOICE and .HAND or without.")
        width, height = int(found[1]), int(found[2])
        check_size(height, width, "painting")
        further: dict[str, Any] = {}
        for part in others:
            name, read = _READERS.get(part[:1], ("", None))
            if read is None or name in further:
                raise LayoutError(f"painting: {part[:20]!r} is not a part of one.")
            further[name] = read(part[1:])
        ids = _unpack(planes[0], height, width)
        choice, by_hand = (
            _unpack(plane, height, width) if plane or len(planes) == place + 1 else None
            for place, plane in enumerate([*planes[1:], "", ""][:2], start=1)
        )
        if by_hand is not None and by_hand.max() > len(further.get("colors", ())):
            raise LayoutError("painting: it has a colour by hand that it doesn't say.")
        return cls(ids, choice, by_hand, **further)


@dataclass(frozen=True)
class UnreadablePainting:
    """What the page has sent in place of a painting.

    Attributes:
        revision: as for `Painting`.
        reason: a sentence.
    """

    revision: int | None
    reason: str


def pack_style(style: Style) -> str:
    """A style as text: {"name", "colors": {id: [[r, g, b, share], ...]}} in JSON, packed as pixels are."""
    colors = {kind: [[*color, share] for color, share in shares] for kind, shares in style.colors.items()}
    return _compress(json.dumps({"name": style.name, "colors": colors}, separators=(",", ":")).encode())


def _unpack_style(text: str) -> Style:
    try:
        content = json.loads(_decompress(text, MAX_STYLE_BYTES))
        colors = {
            int(kind): tuple(((red, green, blue), share) for red, green, blue, share in shares)
            for kind, shares in content["colors"].items()
        }
        if not colors or not all(0 <= kind <= 255 for kind in colors):
            raise ValueError("ids of classes are 0..255")
        return Style(str(content["name"])[:60], colors)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, zlib.error) as error:
        raise LayoutError("painting: a style in it is damaged.") from error


def _read_seed(text: str) -> int:
    if not re.fullmatch("[0-9]{1,6}", text, re.ASCII):
        raise LayoutError(f"painting: its seed must be 0..{MAX_SEED:,}, not {text[:20]!r}.")
    return int(text)


def _read_colors(text: str) -> tuple[tuple[int, int, int], ...]:
    if len(text) > 6 * MAX_COLORS or not re.fullmatch("([0-9a-f]{6})+", text, re.ASCII):
        raise LayoutError(f"painting: its colours must be six hexadecimal digits each, and {MAX_COLORS} at most.")
    levels = bytes.fromhex(text)
    return tuple((levels[i], levels[i + 1], levels[i + 2]) for i in range(0, len(levels), 3))


def _read_styles(text: str) -> tuple[Style, ...]:
    texts = text.split(".")
    if len(texts) > MAX_STYLES:
        raise LayoutError(f"painting: {len(texts)} styles; it may bring {MAX_STYLES} along.")
    return tuple(map(_unpack_style, texts))


def _read_defaults(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{2}([0-9a-f]{6}){0,256}", text, re.ASCII):
        raise LayoutError(f"painting: {text[:20]!r} is not what newly painted pixels can get.")
    return text


_READERS: dict[str, tuple[str, Callable[[str], Any] | None]] = {
    "s": ("seed", _read_seed),
    "c": ("colors", _read_colors),
    "v": ("styles", _read_styles),
    "d": ("defaults", _read_defaults),
}


def check_size(height: int, width: int, source: str) -> None:
    """Raises a LayoutError, which begins with `source`, for a size that can't be painted."""
    if height * width > MAX_PAINTING_PIXELS or max(height, width) > MAX_SIDE:
        raise LayoutError(
            f"{source}: {width} x {height} pixels; on this page a layout may have {MAX_PAINTING_PIXELS:,}, and "
            f"{MAX_SIDE:,} on a side."
        )


def _pack(plane: np.ndarray) -> str:
    return _compress(np.ascontiguousarray(plane, np.uint8).tobytes())


def _unpack(plane: str, height: int, width: int) -> np.ndarray:
    pixels = height * width
    try:
        unpacked = _decompress(plane, pixels)
    except (ValueError, zlib.error) as error:
        raise LayoutError("painting: its pixels are damaged.") from error
    if len(unpacked) != pixels:
        raise LayoutError(f"painting: its pixels are not the {width} x {height} that it says.")
    return np.frombuffer(unpacked, np.uint8).reshape(height, width)


def _compress(content: bytes) -> str:
    return base64.urlsafe_b64encode(zlib.compress(content, 6)).decode("ascii").rstrip("=")


def _decompress(text: str, most: int) -> bytes:
    """What was compressed; b"" if it is more than that, or not one whole stream.

    Raises:
        ValueError, zlib.error: if it is damaged.
    """
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    stream = zlib.decompressobj()
    unpacked = stream.decompress(packed, most + 1)
    return unpacked if len(unpacked) <= most and stream.eof and not stream.unused_data else b""
