"""Votes of raters whose preferences are known."""

import numpy as np
import pandas as pd


def simulated(
    raters: int, pairs: int, strengths: dict[str, float], seed: int, spread: float = 0.0, exposure: float = np.nan
) -> pd.DataFrame:
    """Votes of raters who follow Bradley and Terry; each leans to the first of a pair by an amount of their own."""
    rng, names, rows = np.random.default_rng(seed), [*strengths], []
    for rater in range(raters):
        lean = rng.normal(0, spread)
        for row in range(pairs):
            first, second = rng.choice(len(names), 2, replace=False)
            odds = strengths[names[first]] - strengths[names[second]] + (lean if first < second else -lean)
            won = int(rng.random() < 1 / (1 + np.exp(-odds)))
            rows.append((f"rater {rater}", row, names[first], names[second], won, exposure, False, False))
    return pd.DataFrame(rows, columns=["rater", "row", "first", "second", "won", "exposure", "sentinel", "off"])
