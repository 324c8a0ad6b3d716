"""Paintings as text: there and back, and what is refused."""

import base64
import tracemalloc
import zlib

import numpy as np
import pytest

from crn_hub.classes import LayoutError
from crn_hub.demo.painting import Painting

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
        (f"3x2.{pack(IDS.tobytes())}.{pack(IDS.tobytes())}.{pack(IDS.tobytes())}", "not of the form"),
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
