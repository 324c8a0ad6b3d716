"""The pages on which people vote, and what they exchange with the server.

Nothing that a browser gets says whose picture is whose: a picture's address is a number made with a secret of the
study, all files have the same length, and they come without dates or other headers of their own.
"""

import hashlib
import hmac
import html
import zlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, Field

from crn_hub.study.creating import picture_file
from crn_hub.study.plan import Study, Trial
from crn_hub.study.votes import Vote, Votes

KEPT = 512  # pictures in memory
CHUNK = 12  # bytes of an empty chunk of a PNG
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
NO_STORE = {"Cache-Control": "no-store"}
Sides = Literal["left", "right"]


class Rater(BaseModel):
    """Who is asking."""

    token: str = Field(max_length=100)


class Asking(Rater):
    """Who wants a pair, and whether they go on after a session."""

    another: bool = False


class Ballot(Rater):
    """A vote, as the page sends it; see `Vote`."""

    session: int = Field(ge=0, le=10**6)
    position: int = Field(ge=0, le=10**6)
    chosen: Sides
    shown_ms: float | None = Field(None, ge=0, le=1e7)
    frame_ms: float | None = Field(None, ge=0, le=1e4)
    response_ms: float | None = Field(None, ge=0, le=1e9)
    width_px: float | None = Field(None, ge=0, le=1e5)
    looks: int | None = Field(None, ge=1, le=10**6)


class Pages:
    """What the server answers.

    Args:
        folder: of the study.
        study: its plan.
        votes: where votes go.

    Raises:
        FileNotFoundError: if a picture is missing.
    """

    def __init__(self, folder: Path, study: Study, votes: Votes):
        self.study, self.votes = study, votes
        self._pictures = _pictures(folder, study, votes.secret)
        self._length = max(file.stat().st_size for file in {*self._pictures.values()}) + CHUNK
        self._content = lru_cache(KEPT)(self._read)

    def app(self, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None) -> FastAPI:
        """The application, for a server to run; `lifespan` is around that, as FastAPI describes it."""
        app = FastAPI(title="study", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
        app.get("/", response_class=HTMLResponse)(self.page)
        for name, kind in (("study.css", "text/css"), ("study.js", "text/javascript")):
            app.get(f"/{name}")(lambda name=name, kind=kind: Response(_static(name), media_type=kind, headers=NO_STORE))
        app.get("/api/about")(self.about)
        app.post("/api/consent")(self.consent)
        app.post("/api/next")(self.next)
        app.post("/api/vote")(self.vote)
        app.get("/picture/{key}")(self.picture)
        return app

    def page(self) -> HTMLResponse:
        """The one page there is."""
        text = _static("study.html").replace("{{title}}", html.escape(self.study.title))
        return HTMLResponse(text, headers=NO_STORE)

    def about(self) -> dict[str, Any]:
        """What is the same for all raters."""
        study, secret = self.study, self.votes.secret
        return {
            "study": study.mark,
            "consent": study.facts["consent"],
            "limited": study.mode == "limited",
            "practice": [_shown(trial, f"practice/{n}", secret) for n, trial in enumerate(study.practice)],
            "size": list(study.size),
            "pairs": max(map(len, study.sessions)),
        }

    def consent(self) -> dict[str, str]:
        """A number for somebody who has consented."""
        return {"token": self.votes.new_rater()}

    def next(self, asking: Asking) -> dict[str, Any]:
        """The pair that a rater votes on next."""
        return self._next(self._rater_of(asking), asking.another)

    def vote(self, ballot: Ballot) -> dict[str, Any]:
        """Stores a vote, and then says which pair is next."""
        rater = self._rater_of(ballot)
        if ballot.session >= len(self.study.sessions):
            raise HTTPException(409, f"there is no session {ballot.session}.")
        if self.study.mode == "limited" and None in (ballot.shown_ms, ballot.frame_ms, ballot.looks):
            raise HTTPException(422, "a vote of a study with limited time says how long the pair was seen.")
        try:
            self.votes.cast(rater, Vote(**ballot.model_dump(exclude={"token"})))
        except ValueError as error:
            raise HTTPException(409, str(error)) from error
        return self._next(rater)

    def picture(self, key: str) -> Response:
        """One picture of one pair."""
        if key not in self._pictures:
            raise HTTPException(404, "there is no such picture.")
        return Response(self._content(key), media_type="image/png", headers=NO_STORE)

    def _read(self, key: str) -> bytes:
        return filled(self._pictures[key].read_bytes(), self._length)

    def _rater_of(self, asking: Rater) -> str:
        rater = self.votes.rater_of(asking.token)
        if rater is None:
            raise HTTPException(401, "nobody has consented under this number.")
        return rater

    def _next(self, rater: str, another: bool = False) -> dict[str, Any]:
        place = self.votes.place_of(rater, another)
        if place is None:
            return {"done": True, "more": self.votes.has_more(rater)}
        (session, position), secret = place, self.votes.secret
        pair = _shown(self.study.sessions[session][position], f"{session}/{position}", secret)
        of = len(self.study.sessions[session])
        following = _pictures_at(f"{session}/{position + 1}", secret) if position + 1 < of else None
        return {"done": False, "session": session, "position": position, "of": of, **pair, "following": following}


def _shown(trial: Trial, place: str, secret: str) -> dict[str, Any]:
    """What the page is told of a pair."""
    return {**_pictures_at(place, secret), "exposure": trial.exposure}


def _pictures_at(place: str, secret: str) -> dict[str, str]:
    return {side: _key(secret, f"{place}/{side}") for side in ("left", "right")}


def _key(secret: str, place: str) -> str:
    return hmac.new(bytes.fromhex(secret), place.encode(), hashlib.sha256).hexdigest()[:32]


def _pictures(folder: Path, study: Study, secret: str) -> dict[str, Path]:
    """The file of each picture of each pair, by the key in its address.

    Raises:
        FileNotFoundError: if one is missing.
    """
    found, known = {}, set()
    sessions = [*map(str, range(len(study.sessions))), "practice"]
    for session, trials in zip(sessions, [*study.sessions, study.practice], strict=True):
        for position, trial in enumerate(trials):
            for side, system in (("left", trial.left), ("right", trial.right)):
                file = picture_file(folder, system, trial.row, study)
                if file not in known and not file.is_file():
                    raise FileNotFoundError(
                        f"{file}: no such picture; the same crn study create makes what is missing."
                    )
                known.add(file)
                found[_key(secret, f"{session}/{position}/{side}")] = file
    return found


def filled(png: bytes, length: int) -> bytes:
    """A PNG of `length` bytes, filled up by a chunk that browsers pass over."""
    room = length - len(png) - CHUNK
    chunk = b"fiLl" + bytes(room)
    packed = room.to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    return png.removesuffix(PNG_END) + packed + PNG_END


def _static(name: str) -> str:
    return (files("crn_hub.study") / "static" / name).read_text(encoding="utf-8")


def describe(study: Study) -> str:
    """A sentence about a study, for the console."""
    pairs, sessions = sum(map(len, study.sessions)), len(study.sessions)
    systems = ", ".join([*study.systems, *(["photographs"] if study.real else [])])
    in_sessions = "one session" if sessions == 1 else f"{sessions:,} sessions"
    return f"{study.title}: {systems}; {pairs:,} pairs in {in_sessions}, {study.mode} time"
