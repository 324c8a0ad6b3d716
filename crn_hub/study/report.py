"""A study's conclusions as text, tables and plots."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd

from crn_hub.files import check_folder, write_text
from crn_hub.hub.card import escape, markdown_table
from crn_hub.study.plan import Study
from crn_hub.study.statistics import (
    Preference,
    Rank,
    agreement,
    attentive_raters,
    by_exposure,
    preferences,
    ranking,
)
from crn_hub.study.votes import read_votes
from crn_hub.text import some

FEW = 10  # raters; a bootstrap over fewer underestimates how much they differ
HEAD = ["comparison", "votes", "preferred", "95 % (votes)", "95 % (raters)", "p", "p, corrected"]


@dataclass(frozen=True)
class Conclusions:
    """
    Attributes:
        study: the plan.
        votes: how many count.
        raters: whose votes count.
        failed: raters who failed their sentinels.
        off: votes left out because the exposure was missed by more than a frame.
        preferences, ranks: see `statistics`.
        exposures: for each comparison the preference at each exposure; empty with unlimited time.
        agreement: see `statistics.agreement`.
    """

    study: Study
    votes: int
    raters: Sequence[str]
    failed: Sequence[str]
    off: int
    preferences: Sequence[Preference]
    ranks: Sequence[Rank]
    exposures: Sequence[Sequence[tuple[float, Preference]]]
    agreement: tuple[float, int, int] | None


def conclude(folder: Path) -> Conclusions:
    """
    Raises:
        FileNotFoundError, ValueError: if there is no study in the folder, or nobody has voted.
    """
    study = Study.load(folder)
    return conclusions_of(study, read_votes(folder, study))


def conclusions_of(study: Study, votes: pd.DataFrame) -> Conclusions:
    """
    Args:
        study: the plan.
        votes: all of them, as `statistics` takes them.

    Raises:
        ValueError: if there are none that count.
    """
    raters, failed = attentive_raters(votes, study.passing)
    counted = votes[votes["rater"].isin(raters) & ~votes["sentinel"]]
    off = int(counted["off"].sum())
    counted = counted[~counted["off"]]
    if counted.empty:
        raise ValueError(
            f"{study.title}: no votes that count; {len(votes):,} were cast, {len(failed)} raters failed their "
            f"sentinels, and {off} exposures were off."
        )
    systems = [*dict.fromkeys(name for pair in study.comparisons for name in pair)]
    exposures = [by_exposure(counted, *pair) for pair in study.comparisons] if study.mode == "limited" else []
    return Conclusions(
        study, len(counted), raters, failed, off, preferences(counted, study.comparisons), ranking(counted, systems),
        [found for found in exposures if found], agreement(counted),
    )  # fmt: skip


# -- text --------------------------------------------------------------------------------------------


def to_text(found: Conclusions) -> str:
    """For the console."""
    rows = [HEAD, *map(_cells, found.preferences)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([found.study.title, _summary(found), "", *lines, "", *_rank_lines(found), *_further(found)])


def _summary(found: Conclusions) -> str:
    sentence = f"{found.votes:,} votes of {len(found.raters)} raters"
    if found.failed:
        sentence += f"; {len(found.failed)} others failed their sentinels and are left out"
    if found.off:
        sentence += f"; {found.off} votes are left out because the exposure was off by more than a frame"
    return f"{sentence}."


def _cells(preference: Preference) -> list[str]:
    raters = "-" if preference.clustered is None else _interval(preference.clustered)
    return [
        f"{preference.first} > {preference.second}", f"{preference.votes:,}", f"{preference.share:.1%}",
        _interval(preference.interval), raters, _p(preference.p), _p(preference.corrected),
    ]  # fmt: skip


def _interval(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.1%} to {interval[1]:.1%}"


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def _rank_lines(found: Conclusions, spelt: Callable[[str], str] = str) -> list[str]:
    lines = []
    for place, rank in enumerate(found.ranks, start=1):
        interval = "" if rank.interval is None else f" ({rank.interval[0]:+.2f} to {rank.interval[1]:+.2f})"
        lines.append(f"{place}. {spelt(rank.system)}: {rank.strength:+.2f}{interval}")
    return lines


def _further(found: Conclusions) -> list[str]:
    lines = []
    if found.agreement is not None:
        kappa, pairs, raters = found.agreement
        lines.append(f"Agreement (Fleiss' kappa): {kappa:.2f}, on {pairs:,} pairs with {raters} votes each.")
    if len(found.raters) == 1:
        lines.append("All votes are of one rater: they say what this person prefers, and not what people do.")
    elif len(found.raters) < FEW:
        lines.append(f"With {len(found.raters)} raters, intervals over raters are narrower than they should be.")
    return lines


# -- files -------------------------------------------------------------------------------------------


def write_report(found: Conclusions, output: Path) -> list[Path]:
    """Writes report.md, preferences.csv, ranking.csv and plots (PNG and SVG); returns the files.

    Raises:
        OSError, ValueError: if the folder cannot be written to.
    """
    check_folder("--output", output)
    output.mkdir(parents=True, exist_ok=True)
    preferences_table = [
        ["first", "second", "exposure_s", "votes", "wins", "share", "low", "high", "raters_low", "raters_high", "p",
         "p_holm"],
        *(_record(preference, "") for preference in found.preferences),
        *(_record(preference, f"{exposure:g}") for line in found.exposures for exposure, preference in line),
    ]  # fmt: skip
    ranks = [
        ["system", "strength", "low", "high"],
        *([rank.system, rank.strength, *(rank.interval or ("", ""))] for rank in found.ranks),
    ]
    written = []
    for name, table in (("preferences.csv", preferences_table), ("ranking.csv", ranks)):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(table)
        write_text(output / name, text.getvalue())
        written.append(output / name)
    written += _save(_plot_preferences(found), output / "preferences")
    if found.exposures:
        written += _save(_plot_exposures(found), output / "exposures")
    write_text(output / "report.md", _markdown(found))
    return [output / "report.md", *written]


def _record(preference: Preference, exposure: str) -> list[Any]:
    clustered = preference.clustered or ("", "")
    return [
        preference.first, preference.second, exposure, preference.votes, preference.wins, preference.share,
        *preference.interval, *clustered, preference.p, preference.corrected if exposure == "" else "",
    ]  # fmt: skip


def _markdown(found: Conclusions) -> str:
    study = found.study
    facts = study.facts
    sections = [
        f"# {escape(study.title)}",
        _summary(found),
        markdown_table(HEAD, [[escape(cells[0]), *cells[1:]] for cells in map(_cells, found.preferences)]),
        "Preferred is the share of votes for the first. The intervals are Wilson's over votes, and a bootstrap over "
        "raters, which is the one to quote where raters differ. p is of an exact binomial test against one half, which "
        "takes votes as independent, and corrected for the number of comparisons by Holm.",
        "![Preferences with 95 % intervals](preferences.png)",
        *(["![Preference at each exposure](exposures.png)"] if found.exposures else []),
        "## Ranking",
        "Strengths after Bradley and Terry: the logarithm of the odds of being preferred, relative to the mean; "
        "intervals by a bootstrap over raters.",
        "\n".join(_rank_lines(found, escape)),
        "\n\n".join(_further(found)),
        "## Protocol",
        f"{len(study.sessions)} sessions, {study.mode} time, pictures of {study.size[0]} x {study.size[1]} pixels "
        f"(height x width), seed {study.seed}; {facts['layouts']} layouts of {escape(facts['dataset'])}, split "
        f"{escape(str(facts['split']))}. A rater counts who chose the photograph in at least {study.passing:.0%} of "
        f"the sentinels, which showed it against {escape(some(study.weak, 20))}; fixed before the first vote. Systems: "
        f"{some((f'{escape(name)} ({key})' for name, key in facts['systems'].items()), 20)}.",
    ]  # fmt: skip
    return "\n\n".join(filter(None, sections)) + "\n"


# -- plots -------------------------------------------------------------------------------------------


def _figure(width: float, height: float) -> Any:
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Any, stem: Path) -> list[Path]:
    files = [stem.with_suffix(".png"), stem.with_suffix(".svg")]
    for file in files:
        figure.savefig(file, dpi=150)
    return files


def _label(preference: Preference, between: str) -> str:
    return f"{preference.first}{between}over {preference.second}".replace("$", r"\$")  # else matplotlib reads a formula


def _plot_preferences(found: Conclusions) -> Any:
    figure = _figure(7, 1.2 + 0.5 * len(found.preferences))
    axes = figure.subplots()
    for place, preference in enumerate(found.preferences):
        low, high = preference.clustered or preference.interval
        axes.plot([100 * low, 100 * high], [place, place], color="tab:blue", lw=2)
        axes.plot([100 * preference.share], [place], "o", color="tab:blue")
        axes.annotate(
            f"{preference.share:.0%}", (100 * preference.share, place), (0, 7), textcoords="offset points", ha="center"
        )
    axes.axvline(50, color="grey", lw=1, ls="--")
    axes.set_yticks(range(len(found.preferences)), [_label(one, "\n") for one in found.preferences], fontsize=9)
    axes.set(xlim=(-6, 106), ylim=(len(found.preferences) - 0.4, -0.6), xlabel="preferred, % of votes")
    axes.grid(axis="x", alpha=0.3)
    return figure


def _plot_exposures(found: Conclusions) -> Any:
    figure = _figure(7, 4.5)
    axes = figure.subplots()
    for line in found.exposures:
        seconds = np.array([exposure for exposure, _ in line])
        shares = np.array([100 * preference.share for _, preference in line])
        bounds = np.array([preference.clustered or preference.interval for _, preference in line]) * 100
        errors = np.abs(bounds.T - shares)
        axes.errorbar(seconds, shares, errors, marker="o", capsize=3, label=_label(line[0][1], " "))
    axes.axhline(50, color="grey", lw=1, ls="--")
    axes.set_xscale("log", base=2)
    ticks = sorted({exposure for line in found.exposures for exposure, _ in line})
    axes.set_xticks(ticks, [f"1/{round(1 / tick)}" if tick < 1 else f"{tick:g}" for tick in ticks])
    axes.set(ylim=(-3, 103), xlabel="seconds seen", ylabel="preferred, % of votes")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9)
    return figure
