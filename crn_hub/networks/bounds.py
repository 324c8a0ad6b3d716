"""What numbers may make a network, checked before any memory is taken."""

import reprlib
from collections.abc import Sequence
from typing import Any

# What a network may ask for, so that nobody's config.json takes the machine down. The paper's largest has 2^21 pixels,
# takes 148 channels at once at that size (2^28.2 numbers), and has 2^26.6 parameters.
MAX_PIXELS, MAX_FEATURES, MAX_PARAMETERS = 2**26, 2**29, 2**31


def whole_numbers(what: str, values: Any, low: int, high: int) -> tuple[int, ...]:
    """
    Raises:
        ValueError: unless `values` are a list of whole numbers low..high; `what` names them.
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
        ValueError: unless `value` is a number low..high; `what` names it.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{what} must be a number {low}..{high}, not {reprlib.repr(value)}.")
    return float(value)
