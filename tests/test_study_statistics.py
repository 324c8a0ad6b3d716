"""What is concluded from the votes of a study, against closed forms and simulated raters."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from support.command_line import crn
from support.simulated_raters import simulated

from crn_hub.study.plan import REAL
from crn_hub.study.power import power, raters_needed
from crn_hub.study.statistics import agreement, attentive_raters, by_exposure, preferences, ranking


def votes_of(wins: int, losses: int, first: str = "a", second: str = "b", rater: str = "one") -> pd.DataFrame:
    won = [1] * wins + [0] * losses
    return pd.DataFrame(
        {
            "rater": rater, "row": range(len(won)), "first": first, "second": second, "won": won,
            "exposure": np.nan, "sentinel": False, "off": False,
        }
    )  # fmt: skip


def test_preferences_are_those_of_closed_forms() -> None:
    forth, back = votes_of(30, 10), votes_of(5, 15, "b", "a")
    (found,) = preferences(pd.concat([forth, back]), [("a", "b")])
    assert (found.votes, found.wins, found.share) == (60, 45, 0.75)
    z, n, p = 1.959963984540054, 60, 0.75
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    expected = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    assert found.interval == pytest.approx(expected)  # Wilson, 1927
    assert found.p == pytest.approx(binomtest(45, 60).pvalue)
    assert found.clustered is None  # one rater
    three = pd.concat([votes_of(30, 10), votes_of(22, 18, "a", "c"), votes_of(20, 20, "b", "c")])
    ps = [one.p for one in preferences(three, [("a", "b"), ("a", "c"), ("b", "c"), ("a", "d")])]
    corrected = [one.corrected for one in preferences(three, [("a", "b"), ("a", "c"), ("b", "c")])]
    assert corrected[0] == pytest.approx(3 * ps[0])  # Holm: the smallest times all, the next times one fewer
    assert corrected[1] == pytest.approx(min(1, 2 * ps[1]))
    assert len(ps) == 3  # a and d were never compared


def test_a_ranking_of_two_is_the_logarithm_of_their_odds() -> None:
    first, second = ranking(votes_of(60, 20), ["b", "a"])
    assert (first.system, second.system) == ("a", "b")
    assert first.strength - second.strength == pytest.approx(np.log(60.5 / 20.5), abs=1e-6)
    assert np.isfinite(ranking(votes_of(40, 0), ["a", "b"])[0].strength)  # a clean sweep


def test_simulated_raters_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strengths are found again, and intervals hold the truth about as often as they say."""
    strengths = {"a": 0.8, "b": 0.0, "c": -0.8}
    monkeypatch.setattr("crn_hub.study.statistics.BOOTSTRAP", 300)
    truth = 1 / (1 + np.exp(-0.5))
    inside = covered = of_raters = 0
    runs = 40
    for seed in range(runs):
        votes = simulated(15, 40, strengths, seed, spread=0.4)
        ranks = ranking(votes, [*strengths], seed)
        assert [rank.system for rank in ranks] == ["a", "b", "c"]
        low, high = ranks[0].interval or (0, 0)
        inside += low <= 0.8 <= high
        (plain,) = preferences(simulated(15, 40, {"a": 0.5, "b": 0.0}, seed), [("a", "b")])
        covered += plain.interval[0] <= truth <= plain.interval[1]
        # Raters of whom one never prefers b, and another one always: the interval over votes is far too narrow.
        rng = np.random.default_rng(seed)
        lean = pd.concat(
            votes_of(won := int(rng.binomial(40, share)), 40 - won, rater=str(rater))
            for rater, share in enumerate(rng.beta(2 * truth, 2 * (1 - truth), 40))
        )  # fmt: skip
        (found,) = preferences(lean, [("a", "b")])
        assert found.clustered
        of_raters += found.clustered[0] <= truth <= found.clustered[1]
    assert inside >= 0.86 * runs
    assert covered >= 0.89 * runs
    assert of_raters >= 0.86 * runs


def test_raters_who_differ_widen_the_interval_over_raters() -> None:
    alike, different = (simulated(20, 60, {"a": 0.3, "b": 0.0}, 3, spread) for spread in (0.0, 2.0))
    widths = []
    for votes in (alike, different):
        (found,) = preferences(votes, [("a", "b")])
        assert found.clustered
        widths.append((found.clustered[1] - found.clustered[0]) / (found.interval[1] - found.interval[0]))
    assert widths[0] < 1.4
    assert widths[1] > 2


def test_sentinels_tell_attentive_raters_from_others() -> None:
    right = votes_of(9, 1, REAL, "weak", "honest").assign(sentinel=True)
    swapped = votes_of(1, 9, "weak", REAL, "honest too").assign(sentinel=True)
    wrong = votes_of(5, 5, REAL, "weak", "asleep").assign(sentinel=True)
    without = votes_of(3, 3, rater="short")
    kept, failed = attentive_raters(pd.concat([right, swapped, wrong, without]), 0.8)
    assert (kept, failed) == (["honest", "honest too", "short"], ["asleep"])


def test_agreement_is_fleiss_kappa() -> None:
    # Two raters on four pairs: alike on three of them. Both chose the first in half of all votes.
    one = votes_of(2, 2, rater="one")
    two = votes_of(2, 2, rater="two").assign(won=[1, 1, 0, 1])
    found = agreement(pd.concat([one, two]))
    assert found
    observed, share = 3 / 4, 5 / 8
    chance = share**2 + (1 - share) ** 2
    assert found == (pytest.approx((observed - chance) / (1 - chance)), 4, 2)
    assert agreement(one) is None


def test_preference_at_each_exposure() -> None:
    votes = pd.concat([votes_of(10, 10).assign(exposure=0.125), votes_of(18, 2).assign(exposure=8.0)])
    found = by_exposure(votes, "a", "b")
    assert [(exposure, one.share) for exposure, one in found] == [(0.125, 0.5), (8.0, 0.9)]


def test_power_agrees_with_simulation(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raters = raters_needed(40, 0.6, 0.0, 0.05, 0.8)
    rng = np.random.default_rng(0)
    found = [binomtest(int(rng.binomial(raters * 40, 0.6)), raters * 40).pvalue <= 0.05 for _ in range(2000)]
    assert np.mean(found) == pytest.approx(power(raters, 40, 0.6, 0.0, 0.05), abs=0.03)
    assert power(raters, 40, 0.6, 0.0, 0.05) >= 0.8 > power(raters - 1, 40, 0.6, 0.0, 0.05) - 0.05
    # Raters whose votes resemble each other: beta-binomial, whose intraclass correlation is 1 / (a + b + 1).
    correlation = 0.05
    raters = raters_needed(40, 0.6, correlation, 0.05, 0.8)
    total = 1 / correlation - 1
    shares = rng.beta(0.6 * total, 0.4 * total, (2000, raters))
    means = rng.binomial(40, shares).mean(axis=1) / 40
    error = np.sqrt(0.24 / 40 / raters * (1 + 39 * correlation))
    assert np.mean(np.abs(means - 0.5) > 1.96 * error) == pytest.approx(0.8, abs=0.06)
    assert raters_needed(40, 0.6, 0.05, 0.05, 0.8, 10) > raters
    assert crn(monkeypatch, "study", "power", "--preference", 0.55, "--pairs", 100, "--comparisons", 3) == 0
    assert "raters with 100 pairs each" in capsys.readouterr().out
    assert crn(monkeypatch, "study", "power", "--preference", 0.5) == 2
    assert "must be above 0.5 and up to 1, not 0.5" in capsys.readouterr().err
    assert crn(monkeypatch, "study", "power", "--preference", 0.5001, "--pairs", 1) == 2
    assert "would take more than 100,000 raters" in capsys.readouterr().err
