"""What can be concluded from votes.

A vote is a row of a table (pandas) with the columns rater, row, first, second, won (1 if first was chosen, else 0),
exposure (seconds; NaN without a limit), sentinel, off (whether the exposure was missed by more than a frame).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import choix
import numpy as np
import pandas as pd
from scipy.stats import binomtest
from statsmodels.stats.inter_rater import fleiss_kappa
from statsmodels.stats.multitest import multipletests

from crn_hub.study.plan import REAL

BOOTSTRAP = 1000  # resamples of raters
CONFIDENCE = 0.95
SMOOTHING = 0.5  # votes for each side of each comparison, added in the ranking: a clean sweep has a finite strength


@dataclass(frozen=True)
class Preference:
    """How often one system was preferred to another.

    Attributes:
        first, second: the systems.
        votes: how many were cast.
        wins: for the first.
        interval: of the first one's share, by Wilson.
        clustered: the same with raters drawn instead of votes (bootstrap); None with fewer than two raters, and where
            all of them have the same share, of which a bootstrap makes an interval without width.
        p: of an exact two-sided binomial test against one half.
        corrected: p corrected for the number of comparisons, by Holm.
    """

    first: str
    second: str
    votes: int
    wins: int
    interval: tuple[float, float]
    clustered: tuple[float, float] | None
    p: float
    corrected: float

    @property
    def share(self) -> float:
        """Of votes for the first, 0..1."""
        return self.wins / self.votes


@dataclass(frozen=True)
class Rank:
    """A system's strength after Bradley and Terry: the logarithm of the odds of winning, relative to the mean of all.

    Attributes:
        system: its name.
        strength: as above.
        interval: with raters drawn anew (bootstrap); None with fewer than two raters.
    """

    system: str
    strength: float
    interval: tuple[float, float] | None


def attentive_raters(votes: pd.DataFrame, passing: float) -> tuple[list[str], list[str]]:
    """The raters with enough of their sentinels right, and the others.

    Args:
        votes: with the recorded photograph among the two of each sentinel.
        passing: the least share of right answers. A rater who has seen no sentinel is kept.
    """
    sentinels = votes[votes["sentinel"]]
    right = np.where(sentinels["first"] == REAL, sentinels["won"], 1 - sentinels["won"])
    shares = pd.Series(right, index=sentinels["rater"]).groupby(level=0).mean()
    failed = set(shares[shares < passing].index)
    raters = sorted(votes["rater"].unique())
    return [rater for rater in raters if rater not in failed], sorted(failed)


def preferences(votes: pd.DataFrame, comparisons: Sequence[tuple[str, str]], seed: int = 0) -> list[Preference]:
    """The preferences of comparisons that have votes, in their order.

    Args:
        votes: without sentinels and raters that are left out.
        comparisons: pairs of systems, in the order in which they are reported.
        seed: of the bootstrap.
    """
    found = []
    for first, second in comparisons:
        won = _won(votes, first, second)
        if len(won):
            test = binomtest(int(won.sum()), len(won))
            interval = test.proportion_ci(CONFIDENCE, method="wilson")
            found.append((first, second, won, test.pvalue, (float(interval.low), float(interval.high))))
    if not found:
        return []
    values = [p for *_, p, _ in found]
    # One value needs no correction, and multipletests takes a while: it collects garbage.
    corrected = multipletests(values, method="holm")[1] if len(values) > 1 else values
    return [
        Preference(
            first, second, len(won), int(won.sum()), interval, _clustered_share(won, seed), float(p), float(holm)
        )
        for (first, second, won, p, interval), holm in zip(found, corrected, strict=True)
    ]


def by_exposure(votes: pd.DataFrame, first: str, second: str) -> list[tuple[float, Preference]]:
    """The preference for `first` at each exposure, in seconds, that has votes; not corrected for their number."""
    shown = votes[votes["exposure"].notna()]
    return [
        (float(exposure), preference)
        for exposure in sorted(shown["exposure"].unique())
        for preference in preferences(shown[shown["exposure"] == exposure], [(first, second)])
    ]


def ranking(votes: pd.DataFrame, systems: Sequence[str], seed: int = 0) -> list[Rank]:
    """All systems that have votes, the strongest first (Bradley and Terry, Biometrika 1952)."""
    present = [system for system in systems if ((votes["first"] == system) | (votes["second"] == system)).any()]
    if len(present) < 2:
        return []
    counts = _counts_by_rater(votes, present)
    strengths = _fit(counts.sum(axis=0))
    intervals: list[tuple[float, float] | None] = [None] * len(present)
    if len(counts) > 1:
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), BOOTSTRAP)
        resampled = np.stack([_fit(np.tensordot(weights, counts, 1)) for weights in drawn])
        low, high = _quantiles(resampled)
        intervals = [*zip(low.tolist(), high.tolist(), strict=True)]
    ranks = [Rank(*parts) for parts in zip(present, strengths.tolist(), intervals, strict=True)]
    return sorted(ranks, key=lambda rank: -rank.strength)


def agreement(votes: pd.DataFrame) -> tuple[float, int, int] | None:
    """Fleiss' kappa of the pairs that several raters have voted on, how many pairs, and by how many raters each.

    Of pairs with different numbers of votes those are taken whose number is the most frequent. None if there are none.
    """
    pairs = votes.groupby(["row", "first", "second", votes["exposure"].fillna(-1)])["won"].agg(["sum", "count"])
    several = pairs[pairs["count"] > 1]
    if several.empty:
        return None
    raters = int(several["count"].mode().iloc[0])
    chosen = several[several["count"] == raters]
    table = np.stack([chosen["sum"], raters - chosen["sum"]], axis=1)
    if (table.sum(axis=0) == 0).any():  # everybody has voted alike throughout: chance can't be told from agreement
        return None
    return float(fleiss_kappa(table)), len(chosen), raters


def _won(votes: pd.DataFrame, first: str, second: str) -> pd.Series:
    """1 where `first` was preferred to `second`, else 0, by rater."""
    forth = votes[(votes["first"] == first) & (votes["second"] == second)].set_index("rater")["won"]
    back = votes[(votes["first"] == second) & (votes["second"] == first)].set_index("rater")["won"]
    return pd.concat([forth, 1 - back])


def _clustered_share(won: pd.Series, seed: int) -> tuple[float, float] | None:
    """The interval of a share when raters are drawn, each with all of their votes."""
    of_rater = won.groupby(level=0).agg(["sum", "count"]).to_numpy()
    if len(of_rater) < 2:
        return None
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(of_rater), np.full(len(of_rater), 1 / len(of_rater)), BOOTSTRAP) @ of_rater
    low, high = _quantiles(drawn[:, 0] / drawn[:, 1])
    return (float(low), float(high)) if low < high else None


def _quantiles(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail], axis=0)
    return low, high


def _counts_by_rater(votes: pd.DataFrame, systems: Sequence[str]) -> np.ndarray:
    """(raters, systems, systems): how often each rater preferred the one to the other."""
    place = {system: index for index, system in enumerate(systems)}
    raters = {rater: index for index, rater in enumerate(votes["rater"].unique())}
    counts = np.zeros((len(raters), len(systems), len(systems)))
    winners = np.where(votes["won"] == 1, votes["first"], votes["second"])
    losers = np.where(votes["won"] == 1, votes["second"], votes["first"])
    for rater, winner, loser in zip(votes["rater"], winners, losers, strict=True):
        counts[raters[rater], place[winner], place[loser]] += 1
    return counts


def _fit(wins: np.ndarray) -> np.ndarray:
    """Strengths (n,), 0 on average, from how often each system beat each other one (n, n)."""
    return choix.ilsr_pairwise_dense(wins + SMOOTHING * (1 - np.eye(len(wins))))  # type: ignore[no-any-return]
