"""Which numbers make a network, checked before any memory is taken."""

import operator
import reprlib
from collections.abc import Sequence
from typing import Any

import numpy as np

# The most that a network may have, so that nobody's config.json takes the machine down. The paper's largest has 2^21
# pixels, 2^28.2 features (148 channels at that size) at once, and 2^26.6 parameters.
MAX_PIXELS, MAX_FEATURES, MAX_PARAMETERS = 2**26, 2**29, 2**31


def whole_number(value: Any) -> int | None:
    """A whole number of Python or NumPy; None for anything else, True and False included."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def whole_numbers(what: str, values: Any, low: int, high: int) -> tuple[int, ...]:
    """
    Raises:
        ValueError: unless `values` is a list of whole numbers low..high; `what` is its name in the message.
    """
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise ValueError(f"{what} must be a list of whole numbers, not {reprlib.repr(values)}.")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"{what} must be whole numbers {low}..{high}, not {reprlib.repr(value)}.")
    return tuple(values)


def finite_number(what: str, value: Any, low: float, high: float) -> float:
    """
    Raises:
        ValueError: unless `value` is a number low..high; `what` is its name in the message.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{what} must be a number {low}..{high}, not {reprlib.repr(value)}.")
    return float(value)


def check_pixels(what_gives: str, size: tuple[int, int]) -> None:
    """
    Raises:
        ValueError: for images of more than `MAX_PIXELS`; `what_gives` begins the message, here and below.
    """
    _check(what_gives, size[0] * size[1], "pixels", MAX_PIXELS)


def check_features(what_gives: str, features: int, layer: str) -> None:
    """
    Raises:
        ValueError: for more than `MAX_FEATURES` into or out of a layer; `layer` says which.
    """
    _check(what_gives, features, f"features {layer}", MAX_FEATURES)


def check_parameters(what_gives: str, parameters: int) -> None:
    """
    Raises:
        ValueError: for more than `MAX_PARAMETERS`.
    """
    _check(what_gives, parameters, "parameters", MAX_PARAMETERS)


def _check(what_gives: str, number: int, of_what: str, at_most: int) -> None:
    if number > at_most:
        raise ValueError(f"{what_gives} {number:,} {of_what}; at most {at_most:,} are allowed.")
