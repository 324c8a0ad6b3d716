"""How many raters a study needs to tell a preference from chance, when votes of one rater resemble each other."""

import math

from scipy.stats import binom

MOST_RATERS = 100_000


def design_effect(pairs: int, correlation: float) -> float:
    """By how much votes of the same rater count less than independent ones: 1 + (pairs - 1) * correlation (Kish)."""
    return 1 + (pairs - 1) * correlation


def power(raters: int, pairs: int, preference: float, correlation: float, alpha: float) -> float:
    """The probability that an exact two-sided binomial test finds a preference.

    Args:
        raters: how many.
        pairs: of the comparison that each of them votes on.
        preference: the true share of votes, 0.5..1.
        correlation: of two votes of one rater, 0..1 (intraclass).
        alpha: the level of the test, for one comparison.
    """
    votes = max(1, math.floor(raters * pairs / design_effect(pairs, correlation)))
    # The smallest number of votes for one side that the test calls a preference.
    least = int(binom.isf(alpha / 2, votes, 0.5)) + 1
    return float(binom.sf(least - 1, votes, preference))


def raters_needed(
    pairs: int, preference: float, correlation: float, alpha: float, wanted: float, comparisons: int = 1
) -> int:
    """The fewest raters with which the probability is `wanted`, at a level corrected for several comparisons
    (Bonferroni).

    Raises:
        ValueError: if an argument is out of range, or more than `MOST_RATERS` are needed.
    """
    if pairs < 1 or comparisons < 1:
        raise ValueError(f"there must be 1 pair and 1 comparison or more, not {pairs} and {comparisons}.")
    if not 0.5 < preference <= 1:
        raise ValueError(f"the preference to be found must be above 0.5 and up to 1, not {preference:g}.")
    if not 0 <= correlation <= 1 or not 0 < alpha < 1 or not 0 < wanted < 1:
        raise ValueError(
            f"correlation must be 0..1, alpha and power between 0 and 1, not {correlation:g}, {alpha:g} and {wanted:g}."
        )

    def is_enough(raters: int) -> bool:
        # Of some raters in a row: the exact test's power goes up and down a little from one number to the next.
        nearby = (raters, raters + 1, raters + 2)
        return all(power(n, pairs, preference, correlation, alpha / comparisons) >= wanted for n in nearby)

    high = 1
    while not is_enough(high):
        high *= 2
        if high > MOST_RATERS:
            raise ValueError(
                f"a preference of {preference:g} would take more than {MOST_RATERS:,} raters with {pairs:,} pairs each."
            )
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high
