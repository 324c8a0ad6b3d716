"""Raters, the sessions that they are given, and their votes, in one SQLite file.

Every vote is a transaction of its own, in WAL mode with synchronous=FULL: it has been forced to the disk before the
page hears of it, and so before the next pair is shown. A process that is killed loses at most the vote that it was
writing, which the page then sends again.
"""

import hashlib
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from crn_hub.files import write_text
from crn_hub.study.plan import MANIFEST, Study
from crn_hub.text import clause

FILE = "votes.db"
COPIES = "votes-*.csv"  # tables of other databases of the same study, as `Votes.copy` writes them
MEASURED = ("shown_ms", "frame_ms", "response_ms", "width_px", "looks")
COPIED = ("rater", "session", "position", "chosen", *MEASURED, "cast_at")
COLUMNS = (
    *("rater", "session", "position", "row", "first", "second", "won", "exposure", "sentinel", "off"),
    *("shown_ms", "response_ms", "width_px"),
)
SCHEMA = """
CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS raters (rater TEXT PRIMARY KEY, token TEXT UNIQUE NOT NULL, consented_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (
    rater TEXT NOT NULL REFERENCES raters, session INTEGER NOT NULL, began_at TEXT NOT NULL,
    PRIMARY KEY (rater, session)
);
CREATE TABLE IF NOT EXISTS votes (
    rater TEXT NOT NULL, session INTEGER NOT NULL, position INTEGER NOT NULL, chosen TEXT NOT NULL,
    shown_ms REAL, frame_ms REAL, response_ms REAL, width_px REAL, looks INTEGER, cast_at TEXT NOT NULL,
    PRIMARY KEY (rater, session, position), FOREIGN KEY (rater, session) REFERENCES sessions
);
"""


@dataclass(frozen=True)
class Vote:
    """
    Attributes:
        session, position: of the pair.
        chosen: "left" or "right".
        shown_ms: for how long the pair was seen, as the page's frames tell; None without a limit.
        frame_ms: how long a frame of that page is.
        response_ms: from the pair's appearance to the vote.
        width_px: of each picture on the rater's screen, in pixels of the page.
        looks: how often the pair has been shown: more than once if the page was reloaded.
    """

    session: int
    position: int
    chosen: str
    shown_ms: float | None
    frame_ms: float | None
    response_ms: float | None
    width_px: float | None = None
    looks: int | None = None


class Votes:
    """The votes of a study, for one process of a server; threads take turns.

    Args:
        folder: of the study.
        study: its plan.

    Raises:
        ValueError: if the file is no database of votes, or has votes for another plan.
    """

    def __init__(self, folder: Path, study: Study):
        self._study = study
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(folder / FILE, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.executescript(SCHEMA)
            with self._transaction() as run:
                run("INSERT OR IGNORE INTO secrets VALUES ('pictures', ?)", (secrets.token_hex(32),))
                if run("SELECT 1 FROM votes LIMIT 1").fetchone() is None:
                    run("INSERT OR REPLACE INTO secrets VALUES ('plan', ?)", (study.mark,))
                known: dict[str, str] = dict(run("SELECT name, value FROM secrets").fetchall())
        except sqlite3.Error as error:
            self._connection.close()
            raise ValueError(
                f"{folder / FILE}: not usable as the database of a study's votes ({clause(error)})."
            ) from error
        if known["plan"] != study.mark:
            self._connection.close()
            raise ValueError(f"{folder / MANIFEST}: it has been changed since the first vote in {FILE} was cast.")
        self.secret = known["pictures"]

    def close(self) -> None:
        """Ends the connection; all votes are on the disk already."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def new_rater(self) -> str:
        """Somebody has consented; returns the token by which their page proves who it is."""
        token = secrets.token_urlsafe(24)
        with self._transaction() as run:
            run("INSERT INTO raters VALUES (?, ?, ?)", (secrets.token_hex(8), _hashed(token), _now()))
        return token

    def rater_of(self, token: str) -> str | None:
        """The rater with a token."""
        with self._lock:
            row = self._connection.execute("SELECT rater FROM raters WHERE token = ?", (_hashed(token),)).fetchone()
        return row[0] if row else None

    def place_of(self, rater: str, another: bool = False) -> tuple[int, int] | None:
        """The session that a rater is in, and the position of the next pair; None at the end.

        A rater who has had none is given the one that the fewest others have been given; one who is through with it,
        if they want `another`.
        """
        count = len(self._study.sessions)
        with self._transaction() as run:
            own = dict(
                run(
                    "SELECT s.session, COUNT(v.position) FROM sessions s LEFT JOIN votes v USING (rater, session) "
                    "WHERE rater = ? GROUP BY s.session",
                    (rater,),
                ).fetchall()
            )
            for session, voted in own.items():
                if voted < len(self._study.sessions[session]):
                    return session, voted
            given = dict(run("SELECT session, COUNT(*) FROM sessions GROUP BY session").fetchall())
            free = [session for session in range(count) if session not in own]
            if not free or (own and not another):
                return None
            session = min(free, key=lambda one: (given.get(one, 0), one))
            run("INSERT INTO sessions VALUES (?, ?, ?)", (rater, session, _now()))
            return session, 0

    def has_more(self, rater: str) -> bool:
        """Whether there are sessions that a rater has not been given."""
        with self._lock:
            (had,) = self._connection.execute("SELECT COUNT(*) FROM sessions WHERE rater = ?", (rater,)).fetchone()
        return int(had) < len(self._study.sessions)

    def cast(self, rater: str, vote: Vote) -> None:
        """Stores a vote; one that has been stored already is left as it is.

        Raises:
            ValueError: if it isn't for the pair that comes next.
        """
        with self._transaction() as run:
            known = run(
                "SELECT chosen FROM votes WHERE rater = ? AND session = ? AND position = ?",
                (rater, vote.session, vote.position),
            ).fetchone()
            if known:
                return
            given = run("SELECT 1 FROM sessions WHERE rater = ? AND session = ?", (rater, vote.session)).fetchone()
            (due,) = run("SELECT COUNT(*) FROM votes WHERE rater = ? AND session = ?", (rater, vote.session)).fetchone()
            if not given or vote.position != due or due >= len(self._study.sessions[vote.session]):
                raise ValueError(
                    f"a vote for pair {vote.position} of session {vote.session}, which is not the next one."
                )
            measured = [getattr(vote, name) for name in MEASURED]
            values = (rater, vote.session, vote.position, vote.chosen, *measured, _now())
            run(f"INSERT INTO votes ({', '.join(COPIED)}) VALUES ({', '.join('?' * len(COPIED))})", values)

    def cast_votes(self) -> pd.DataFrame:
        """All votes with the columns `COPIED`, in the order in which a rater cast them."""
        with self._lock:
            rows = self._connection.execute(
                f"SELECT {', '.join(COPIED)} FROM votes ORDER BY rater, session, position"
            ).fetchall()
        return pd.DataFrame(rows, columns=COPIED)

    def copy(self, folder: Path) -> None:
        """Writes the votes as a table to a file that no other database writes, if there are new ones."""
        name = COPIES.replace("*", hashlib.sha256(self.secret.encode()).hexdigest()[:8])
        text = self.cast_votes().assign(plan=self._study.mark).to_csv(index=False)
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text:
            write_text(folder / name, text)


def read_votes(folder: Path, study: Study) -> pd.DataFrame:
    """The votes in a study's folder: of its database, and of copies that lie beside it.

    Raises:
        ValueError: if a copy cannot be read, or is of another study.
    """
    found = []
    if (folder / FILE).is_file():
        votes = Votes(folder, study)
        try:
            found.append(votes.cast_votes())
        finally:
            votes.close()
    for file in sorted(folder.glob(COPIES)):
        try:
            copy = pd.read_csv(file, usecols=[*COPIED, "plan"], dtype={"rater": str, "plan": str})
        except (ValueError, UnicodeDecodeError) as error:
            raise ValueError(f"{file}: not readable as a copy of votes ({clause(error)}).") from error
        if (copy.pop("plan") != study.mark).any():
            raise ValueError(f"{file}: its votes are for another plan than that of {MANIFEST}.")
        found.append(copy)
    if not found:
        return votes_table(study, pd.DataFrame(columns=COPIED))
    # The copies of a database may lie beside it: a vote counts once.
    return votes_table(study, pd.concat(found).drop_duplicates(["rater", "session", "position"]))


def votes_table(study: Study, cast: pd.DataFrame) -> pd.DataFrame:
    """Votes as `statistics` takes them: with what their pairs were.

    Args:
        study: the plan.
        cast: as `Votes.cast_votes` gives them.
    """
    records = []
    for vote in cast.astype(dict.fromkeys(MEASURED, float)).itertuples():
        trial = study.sessions[vote.session][vote.position]
        # An exposure that the page couldn't measure is NaN, which is not within a frame either.
        is_seen = trial.exposure is None or (
            abs(vote.shown_ms - 1000 * trial.exposure) <= vote.frame_ms and vote.looks <= 1
        )
        records.append(
            {
                "rater": vote.rater, "session": vote.session, "position": vote.position, "row": trial.row,
                "first": trial.left, "second": trial.right, "won": int(vote.chosen == "left"),
                "exposure": float("nan") if trial.exposure is None else trial.exposure,
                "sentinel": trial.sentinel, "off": not is_seen, "shown_ms": vote.shown_ms,
                "response_ms": vote.response_ms, "width_px": vote.width_px,
            }
        )  # fmt: skip
    table = pd.DataFrame(records, columns=COLUMNS)
    return table.astype({"won": int, "exposure": float, "sentinel": bool, "off": bool})


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
