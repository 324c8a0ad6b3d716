"""Paintings as text: there and back, and what is refused."""

import base64
import re
import tracemalloc
import zlib

import numpy as np
import pytest

from crn_hub.classes import LayoutError
from crn_hub.demo.painting import Painting
from crn_hub.styles import Style

IDS = np.array([[0, 1, 255], [10, 2, 3]], np.uint8)


def pack(content: bytes) -> str:
    return base64.urlsafe_b64encode(zlib.compress(content)).decode().rstrip("=")


def test_there_and_back() -> None:
    painting = Painting(IDS, IDS // 100)
    again = Painting.from_text(painting.to_text())
    assert np.array_equal(again.ids, IDS)
    assert again.choice is not None
    assert np.array_equal(again.choice, IDS // 100)
    without = Painting.from_text(Painting(IDS).to_text())
    assert np.array_equal(without.ids, IDS)
    assert without.choice is None


def test_all_that_a_painting_may_have() -> None:
    style = Style("dusk", {0: (((1, 2, 3), 0.25), ((255, 0, 9), 0.5)), 255: (((7, 7, 7), 1.0),)})
    choice, by_hand = IDS % 3, (IDS == 2) * np.uint8(2)
    painting = Painting(IDS, choice, by_hand, ((0, 16, 255), (1, 2, 3)), 417, (style, style))
    text = painting.to_text()
    again = Painting.from_text(text)
    assert re.fullmatch(r"3x2\.[\w-]+\.[\w-]+\.[\w-]+~s417~c0010ff010203~v[\w-]+\.[\w-]+", text)
    for plane, expected in ((again.ids, IDS), (again.choice, choice), (again.by_hand, by_hand)):
        assert plane is not None
        assert np.array_equal(plane, expected)
    assert (again.colors, again.seed, again.styles) == (painting.colors, painting.seed, painting.styles)
    alone = Painting.from_text(Painting(IDS, by_hand=by_hand, colors=painting.colors).to_text())
    assert alone.choice is None
    assert alone.by_hand is not None


def test_any_slice_of_an_array_will_do() -> None:
    turned = IDS.T[::-1]
    assert np.array_equal(Painting.from_text(Painting(turned).to_text()).ids, turned)


def test_text_is_plain_and_of_the_documented_form() -> None:
    text = Painting(IDS).to_text()
    size, pixels = text.split(".")
    assert size == "3x2"
    assert zlib.decompress(base64.urlsafe_b64decode(pixels + "=" * (-len(pixels) % 4))) == bytes([0, 1, 255, 10, 2, 3])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not of the form"),
        (None, "not of the form"),
        ({"ids": 3}, "not of the form"),
        ("3x2", "not of the form"),
        ("3x2" + 4 * f".{pack(IDS.tobytes())}", "not of the form"),
        (f"3x2.{pack(IDS.tobytes())}..", "not the 3 x 2 that it says"),
        (
            f"3x2.{pack(IDS.tobytes())}..{pack(bytes([0, 0, 0, 0, 0, 2]))}~cff0000",
            "a colour by hand that it doesn't say",
        ),
        (f"3x2.{pack(IDS.tobytes())}~", "'' is not a part of one"),
        (f"3x2.{pack(IDS.tobytes())}~x1", "'x1' is not a part of one"),
        (f"3x2.{pack(IDS.tobytes())}~s1~s2", "'s2' is not a part of one"),
        (f"3x2.{pack(IDS.tobytes())}~s-1", "seed must be 0..999,999, not '-1'"),
        (f"3x2.{pack(IDS.tobytes())}~s1000000", "seed must be"),
        (f"3x2.{pack(IDS.tobytes())}~c", "six hexadecimal digits each"),
        (f"3x2.{pack(IDS.tobytes())}~cff00", "six hexadecimal digits each"),
        (f"3x2.{pack(IDS.tobytes())}~c" + "00" * 3 * 256, "255 at most"),
        (f"3x2.{pack(IDS.tobytes())}~v", "a style in it is damaged"),
        (f"3x2.{pack(IDS.tobytes())}~v{pack(b'[]')}", "a style in it is damaged"),
        (f"3x2.{pack(IDS.tobytes())}~v{pack(b'{}')}", "a style in it is damaged"),
        (f"3x2.{pack(IDS.tobytes())}~v{pack(b' ' * 10**6)}", "a style in it is damaged"),
        (f"3x2.{pack(IDS.tobytes())}~v" + ".".join(["AAAA"] * 9), "9 styles; it may bring 8 along"),
        (f"0x2.{pack(b'')}", "not of the form"),
        (f"-3x2.{pack(IDS.tobytes())}", "not of the form"),
        (f"9999999x1.{pack(IDS.tobytes())}", "not of the form"),
        (f"3\u0665x2.{pack(IDS.tobytes())}", "not of the form"),
        (f"900000x900000.{pack(IDS.tobytes())}", "900000 x 900000 pixels; on this page a layout may have"),
        (
            f"8193x1.{pack(bytes(8193))}",
            "8193 x 1 pixels; on this page a layout may have 4,194,304, and 8,192 on a side",
        ),
        (f"3x2.{pack(IDS.tobytes()[:5])}", "not the 3 x 2 that it says"),
        (f"3x2.{pack(IDS.tobytes() + b'0')}", "not the 3 x 2 that it says"),
        (f"3x2.{pack(IDS.tobytes())[:-6]}", "painting: its pixels are"),
        (f"3x2.{pack(IDS.tobytes())}.", "not the 3 x 2 that it says"),
        ("3x2.<b>&;", "its pixels are damaged"),
        ("3x2.\u00e9\u00e9", "its pixels are damaged"),
        ("3x2.AAAA", "its pixels are damaged"),
    ],
)
def test_what_is_not_a_painting_is_refused(text: str, message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        Painting.from_text(text)


def test_a_bomb_takes_no_memory() -> None:
    bomb = f"10x10.{pack(bytes(200_000_000))}"
    tracemalloc.start()
    with pytest.raises(LayoutError, match="not the 10 x 10"):
        Painting.from_text(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000
