"""What people are shown: pairs of pictures, in sessions, drawn by a seed before anybody votes.

The protocol is that of Chen and Koltun (ICCV 2017, "Perceptual experiment"): two pictures of the same layout side by
side, which is more realistic; tasks of about 110 pairs, some of them sentinels, in which the recorded photograph is
shown against a weak system. Pairs are shown until the vote, or for 1/8 to 8 seconds.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, cycle
from pathlib import Path
from typing import Any

import numpy as np

from crn_hub.data import spread
from crn_hub.files import write_text
from crn_hub.text import clause

MANIFEST = "study.json"
VERSION = 1
REAL = "photograph"  # the name of the recorded photographs among the systems
EXPOSURES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # seconds, of the limited-time mode
SENTINEL_EXPOSURE = 4.0
SENTINELS = {"unlimited": 10, "limited": 5}  # of a session of `SESSION` pairs
SESSION = 110
PRACTICE_EXPOSURES = (4.0, 1.0, 0.5)  # seconds, of the pairs before the first one that counts
PRACTICE = len(PRACTICE_EXPOSURES)


@dataclass(frozen=True)
class Trial:
    """One pair.

    Attributes:
        row: of the data set, whose layout both pictures show.
        left, right: names of systems.
        exposure: for how many seconds it is shown; None for until the vote.
        sentinel: whether it only tells attentive raters from others.
    """

    row: int
    left: str
    right: str
    exposure: float | None = None
    sentinel: bool = False


@dataclass(frozen=True)
class Study:
    """
    Attributes:
        title: what people see above it.
        systems: names, the strongest guess first and the weakest last; sentinels show photographs against the last.
        real: whether each system is compared with the recorded photographs as well.
        mode: "unlimited" or "limited" time.
        size: (height, width) of the pictures, in pixels.
        seed: that everything was drawn by.
        passing: the share of a rater's sentinels that must be right; fixed before the first vote.
        sessions: the pairs of each, in their order.
        practice: the pairs before a rater's first session, which don't count.
        facts: where the pictures come from; plain JSON, for another lab to make them again.
    """

    title: str
    systems: tuple[str, ...]
    real: bool
    mode: str
    size: tuple[int, int]
    seed: int
    passing: float
    sessions: tuple[tuple[Trial, ...], ...]
    practice: tuple[Trial, ...]
    facts: dict[str, Any]

    @property
    def comparisons(self) -> list[tuple[str, str]]:
        """The pairs of systems that are compared."""
        return comparisons_of(self.systems, self.real)

    @property
    def mark(self) -> str:
        """Tells plans apart, whatever their title."""
        content = {name: value for name, value in asdict(self).items() if name != "title"}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def weak(self) -> list[str]:
        """The systems that sentinels show photographs against."""
        sentinels = {name for session in self.sessions for t in session if t.sentinel for name in (t.left, t.right)}
        return [system for system in self.systems if system in sentinels]

    @property
    def needed(self) -> list[tuple[str, int]]:
        """The pictures that are shown: (system, row), those of a system together."""
        trials = [trial for session in (*self.sessions, self.practice) for trial in session]
        found = {(system, trial.row) for trial in trials for system in (trial.left, trial.right)}
        return sorted(found, key=lambda one: ([REAL, *self.systems].index(one[0]), one[1]))

    def save(self, folder: Path) -> None:
        """Writes study.json, which appears whole or not at all."""
        write_text(folder / MANIFEST, json.dumps({"version": VERSION, **asdict(self)}, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Study":
        """
        Raises:
            FileNotFoundError: if there is no study in the folder.
            ValueError: if it cannot be read.
        """
        file = folder / MANIFEST
        if not file.is_file():
            raise FileNotFoundError(f"{folder}: no study; crn study create makes one.")
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            if content.pop("version") != VERSION:
                raise ValueError("made by another version of crn_hub")
            sessions = tuple(tuple(Trial(**trial) for trial in session) for session in content.pop("sessions"))
            practice = tuple(Trial(**trial) for trial in content.pop("practice"))
            systems, size = tuple(content.pop("systems")), tuple(content.pop("size"))
            shown = {name for trials in (*sessions, practice) for t in trials for name in (t.left, t.right)}
            if unknown := sorted(shown - {REAL, *systems}):
                raise ValueError(f"a pair shows {unknown[0]}, which is none of its systems")
            return cls(systems=systems, size=size, sessions=sessions, practice=practice, **content)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{file}: not readable as a study ({clause(error)}).") from error


def comparisons_of(systems: Sequence[str], real: bool) -> list[tuple[str, str]]:
    """The pairs of systems that are compared: each with each, and the photographs with each."""
    return [*combinations(systems, 2), *((REAL, system) for system in systems if real)]


@dataclass(frozen=True)
class Rows:
    """The rows of a study.

    Attributes:
        compared: whose pictures are compared.
        sentinels: whose photographs are shown against a weak system in sentinels.
        practice: the same before the first session.
    """

    compared: tuple[int, ...]
    sentinels: tuple[int, ...]
    practice: tuple[int, ...]


def divide_rows(rows: Sequence[int], layouts: int, real: bool, mode: str, session: int, seed: int) -> Rows:
    """Divides the rows of a data set among comparisons, sentinels and practice.

    Where systems are compared with the photographs, sentinels and practice have rows of their own, as far as there are
    enough: nobody sees the same pair twice.

    Args:
        rows: all that may be shown.
        layouts: how many are to be compared at most, spread evenly.
        real, mode, session, seed: as for `plan_sessions`.
    """
    wanted = PRACTICE + _sentinels_in(mode, session)
    kept = min(wanted, len(rows) // 4) if real else 0
    places = spread(len(rows), min(layouts, len(rows) - kept))
    compared = tuple(rows[place] for place in places)
    others = sorted({*rows} - {*compared}) if real else [*rows]
    drawn = np.random.default_rng((seed, 1)).permutation(others or [*rows]).tolist()
    return Rows(compared, tuple(drawn[PRACTICE:] or drawn), tuple(drawn[:PRACTICE]))


def plan_sessions(
    systems: Sequence[str], real: bool, rows: Rows, mode: str, session: int, seed: int
) -> tuple[tuple[Trial, ...], ...]:
    """The sessions of a study.

    Each comparison is made once for each row; with limited time, at one of the exposures. Sides and exposures are
    balanced within a comparison as far as its rows allow, and all pairs are shuffled over the sessions. Sentinels show
    a photograph against the weaker system of one of the comparisons, with limited time against the weakest of all.

    Args:
        systems: as for `Study`.
        real: likewise.
        rows: of the data set.
        mode: "unlimited" or "limited".
        session: about how many pairs a session has, sentinels included.
        seed: everything is drawn by.
    """
    rng = np.random.default_rng(seed)
    trials: list[Trial] = []
    for first, second in comparisons_of(systems, real):
        swapped = rng.permutation(np.arange(len(rows.compared)) % 2 == 0)
        places = rng.permutation(np.arange(len(rows.compared)) % len(EXPOSURES))
        for row, swap, place in zip(rows.compared, swapped.tolist(), places.tolist(), strict=True):
            exposure = EXPOSURES[place] if mode == "limited" else None
            trials.append(Trial(row, *((second, first) if swap else (first, second)), exposure))
    weak = [second for _, second in combinations(systems, 2)] if mode == "unlimited" else []
    weak = weak or [systems[-1]]
    pairs = max(1, session - _sentinels_in(mode, session))  # of a session, without sentinels
    parts = np.array_split(rng.permutation(len(trials)), max(1, round(len(trials) / pairs)))
    turns = cycle(rows.sentinels)  # over all sessions, so that a row comes back as late as possible
    planned = []
    for part in parts:
        own = [trials[index] for index in part]
        sentinels = _sentinels_in(mode, round(len(own) * session / pairs))  # few pairs have few sentinels
        places = np.sort(rng.choice(len(own) + sentinels, sentinels, replace=False))
        for place in places.tolist():
            sides = rng.permutation([REAL, rng.choice(weak)]).tolist()
            exposure = SENTINEL_EXPOSURE if mode == "limited" else None
            own.insert(place, Trial(next(turns), sides[0], sides[1], exposure, sentinel=True))
        planned.append(tuple(own))
    return tuple(planned)


def plan_practice(systems: Sequence[str], rows: Rows, mode: str, seed: int) -> tuple[Trial, ...]:
    """Pairs of a photograph and the weakest system."""
    rng = np.random.default_rng((seed, 2))
    trials = []
    for row, exposure in zip(rows.practice, PRACTICE_EXPOSURES, strict=False):
        sides = rng.permutation([REAL, systems[-1]]).tolist()
        trials.append(Trial(row, sides[0], sides[1], exposure if mode == "limited" else None))
    return tuple(trials)


def _sentinels_in(mode: str, session: int) -> int:
    """How many of the pairs of a session."""
    return max(1, round(SENTINELS[mode] * session / SESSION))
