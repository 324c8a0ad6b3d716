"""`crn study`: the plan, the votes and what a server refuses, and the report."""

import io
import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support import free_port
from support.command_line import crn
from support.hub_server import HubServer
from support.interrupted import crn_apart
from support.simulated_raters import simulated
from support.studies import SYSTEMS, copied, create, pixels_of, served

from crn_hub.study.plan import EXPOSURES, REAL, Study, comparisons_of, divide_rows, plan_sessions
from crn_hub.study.report import conclusions_of, to_text, write_report
from crn_hub.study.server import filled
from crn_hub.study.votes import Vote, Votes, read_votes

# -- the plan ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["unlimited", "limited"])
def test_a_plan_is_balanced_and_drawn_by_its_seed(mode: str) -> None:
    systems, given = ("a", "b", "c"), [*range(0, 500, 2)]
    rows = divide_rows(given, 200, True, mode, 110, 5)
    assert len(rows.compared) == 200
    parts = {*rows.compared}, {*rows.sentinels}, {*rows.practice}
    assert set.union(*parts) == {*given}
    assert sum(map(len, parts)) == len(given)  # nobody sees a pair twice
    sessions = plan_sessions(systems, True, rows, mode, 110, 5)
    assert sessions == plan_sessions(systems, True, rows, mode, 110, 5)
    assert sessions != plan_sessions(systems, True, rows, mode, 110, 6)
    assert len(comparisons_of(systems, True)) == 6
    trials = [trial for session in sessions for trial in session if not trial.sentinel]
    assert len(trials) == 6 * 200
    for first, second in comparisons_of(systems, True):
        of_pair = [trial for trial in trials if {trial.left, trial.right} == {first, second}]
        assert sorted(trial.row for trial in of_pair) == sorted(rows.compared)  # each layout once
        assert sum(trial.left == first for trial in of_pair) == 100
        counts = Counter(trial.exposure for trial in of_pair)
        assert {*counts} == ({*EXPOSURES} if mode == "limited" else {None})
        assert max(counts.values()) - min(counts.values()) <= 1
    for session in sessions:
        assert 90 <= len(session) <= 130
        sentinels = [trial for trial in session if trial.sentinel]
        assert len(sentinels) == {"unlimited": 10, "limited": 5}[mode]
        weaker = {name for trial in sentinels for name in (trial.left, trial.right)} - {REAL}
        assert weaker == ({"b", "c"} if mode == "unlimited" else {"c"})  # of the pairs, or of all
        assert all(REAL in (trial.left, trial.right) for trial in sentinels)
        assert len({trial.row for trial in sentinels}) == len(sentinels)


def test_a_study_is_made_once_and_can_be_made_again(
    study_data: Path, study_models: dict[str, str], study_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    study = Study.load(study_folder)
    assert (study.systems, study.real, study.mode, len(study.sessions)) == (SYSTEMS, True, "unlimited", 2)
    files = sorted(file.relative_to(study_folder) for file in study_folder.rglob("*.png"))
    assert len(files) == len(study.needed) >= 3 * 8
    assert {pixels_of(study_folder / file).shape for file in files} == {(40, 80, 3)}
    output = tmp_path / "again"
    assert create(monkeypatch, study_data, study_models, output, "--layouts", 8, "--session", 14) == 0
    assert (output / "study.json").read_bytes() == (study_folder / "study.json").read_bytes()
    assert all((output / file).read_bytes() == (study_folder / file).read_bytes() for file in files)

    gone, kept = output / files[0], output / files[1]
    gone.unlink()
    before = kept.stat().st_mtime_ns
    assert create(monkeypatch, study_data, study_models, output, "--layouts", 8, "--session", 14) == 0
    assert gone.read_bytes() == (study_folder / files[0]).read_bytes()
    assert kept.stat().st_mtime_ns == before
    assert create(monkeypatch, study_data, study_models, output, "--layouts", 7, "--session", 14) == 2
    assert "holds another study" in capsys.readouterr().err
    assert create(monkeypatch, study_data, {REAL: "box"}, tmp_path / "x") == 2
    assert "is what the recorded photographs are called" in capsys.readouterr().err


def test_pictures_made_elsewhere_are_a_system_too(
    study_data: Path, study_models: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for row in range(0, 30):
        Image.new("RGB", (160, 80), (row, 100, 7)).save(elsewhere / f"{row:04}.png")
    output = tmp_path / "study"
    assert create(monkeypatch, study_data, {"theirs": str(elsewhere), **study_models}, output, "--layouts", 4) == 0
    rows = [row for system, row in Study.load(output).needed if system == "theirs"]
    for row in rows:
        assert tuple(pixels_of(output / "pictures" / "1" / f"{row}.png")[3, 3]) == (row, 100, 7)
    (elsewhere / f"{rows[1]:04}.png").unlink()
    assert create(monkeypatch, study_data, {"theirs": str(elsewhere)}, tmp_path / "other", "--layouts", 4) == 2
    assert f"no picture of row {rows[1]}; name the files by the rows' numbers" in capsys.readouterr().err
    for words, message in ((["box"], "must be NAME=MODEL_OR_FOLDER"), (["a=box", "a=box"], "two systems of this name")):
        arguments = ["--systems", *words, "--dataset", study_data, "--output", tmp_path]
        assert crn(monkeypatch, "study", "create", *arguments) == 2
        assert message in capsys.readouterr().err


# -- votes -------------------------------------------------------------------------------------------


def test_raters_are_given_sessions_that_they_have_not_seen(study_folder: Path, tmp_path: Path) -> None:
    study = Study.load(study_folder)
    votes = Votes(copied(study_folder, tmp_path / "study"), study)
    raters = [votes.rater_of(votes.new_rater()) for _ in range(3)]
    assert len({*raters}) == 3
    assert votes.rater_of("nobody") is None
    places = [votes.place_of(rater) for rater in raters if rater]
    assert places == [(0, 0), (1, 0), (0, 0)]  # the one that the fewest have
    rater = raters[0]
    assert rater
    for position in range(len(study.sessions[0])):
        assert votes.place_of(rater) == (0, position)
        votes.cast(rater, Vote(0, position, "left", None, None, 900.0))
        votes.cast(rater, Vote(0, position, "right", None, None, 1.0))  # sent twice: the first one stays
    assert votes.place_of(rater) is None  # until they want another one
    assert votes.has_more(rater)
    assert votes.place_of(rater, another=True) == (1, 0)
    for position in range(len(study.sessions[1])):
        votes.cast(rater, Vote(1, position, "right", None, None, 900.0))
    assert votes.place_of(rater, another=True) is None
    assert not votes.has_more(rater)
    table = read_votes(tmp_path / "study", study)
    assert len(table) == sum(map(len, study.sessions))
    assert (table["won"] == (table["session"] == 0)).all()
    for wrong in (Vote(0, 0, "left", None, None, 1.0), Vote(1, 3, "left", None, None, 1.0)):
        with pytest.raises(ValueError, match="which is not the next one"):
            votes.cast(raters[1] or "", wrong)
    votes.close()
    assert len(read_votes(tmp_path / "study", study)) == len(table)


def test_fifty_raters_at_once_lose_no_vote(study_folder: Path, tmp_path: Path) -> None:
    place = copied(study_folder, tmp_path / "study")
    with served(place) as address, httpx.Client(base_url=address, timeout=60) as client:

        def rate(number: int) -> list[tuple[int, int, str]]:
            token = client.post("/api/consent", json={}).json()["token"]
            pair, cast = client.post("/api/next", json={"token": token}).json(), []
            while not pair["done"]:
                chosen = "left" if (number + pair["position"]) % 3 else "right"
                ballot = {"token": token, "session": pair["session"], "position": pair["position"], "chosen": chosen}
                cast.append((pair["session"], pair["position"], chosen))
                pair = client.post("/api/vote", json=ballot).json()
                if pair["done"] and pair["more"]:
                    pair = client.post("/api/next", json={"token": token, "another": True}).json()
            return cast

        with ThreadPoolExecutor(50) as pool:
            sent = [*pool.map(rate, range(50))]
    table = read_votes(place, Study.load(place))
    assert len(table) == sum(map(len, sent)) == 50 * sum(map(len, Study.load(place).sessions))
    stored = Counter(
        (row.session, row.position, "left" if row.won else "right") for row in table.itertuples()
    )  # fmt: skip
    assert stored == Counter(vote for cast in sent for vote in cast)
    assert not table.duplicated(["rater", "session", "position"]).any()


@contextmanager
def serving(
    folder: Path, environment: dict[str, str], *options: str
) -> Iterator[tuple[httpx.Client, "subprocess.Popen[str]"]]:
    """`crn study serve` in a process of its own, which is told to end afterwards."""
    port = free_port()
    command = [sys.executable, "-m", "crn_hub", "study", "serve", str(folder), "--port", str(port), *options]
    with subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            said = process.stdout.readline()
            assert f"http://127.0.0.1:{port}/" in process.stdout.readline(), said
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                deadline = time.monotonic() + 20
                while True:
                    try:
                        client.get("/api/about")
                        break
                    except httpx.ConnectError:
                        assert time.monotonic() < deadline
                        time.sleep(0.05)
                yield client, process
        finally:
            process.terminate()
            process.wait(30)


def test_a_kill_loses_at_most_the_vote_in_flight(study_folder: Path, tmp_path: Path) -> None:
    """Eight raters vote as fast as they can while the server is killed, three times."""
    place = copied(study_folder, tmp_path / "study")
    study = Study.load(place)
    tokens: list[str] = []
    heard: Counter[str] = Counter()  # votes that each rater's page has had an answer for

    def rate(client: httpx.Client, token: str, enough: threading.Event) -> None:
        with suppress(httpx.HTTPError):
            pair = client.post("/api/next", json={"token": token}).json()
            while not pair["done"]:
                ballot = {"token": token, "session": pair["session"], "position": pair["position"], "chosen": "left"}
                pair = client.post("/api/vote", json=ballot).json()
                heard[token] += 1
                if heard.total() >= 30 * len(tokens) / 8:
                    enough.set()

    for _ in range(3):
        enough = threading.Event()
        with serving(place, {}) as (client, process), ThreadPoolExecutor(8) as pool:
            new = [client.post("/api/consent", json={}).json()["token"] for _ in range(8)]
            tokens += new
            for token in new:
                pool.submit(rate, client, token, enough)
            assert enough.wait(30)
            process.kill()
        with closing(Votes(place, study)) as votes:
            stored = Counter(votes.cast_votes()["rater"])
            for token in tokens:
                rater = votes.rater_of(token)
                assert rater is not None
                assert heard[token] <= stored[rater] <= heard[token] + 1
                heard[token] = stored[rater]  # for the next time
    with closing(sqlite3.connect(place / "votes.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def rate_some(client: httpx.Client, count: int) -> None:
    """Consents, and votes on that many pairs."""
    token = client.post("/api/consent", json={}).json()["token"]
    pair = client.post("/api/next", json={"token": token}).json()
    for _ in range(count):
        ballot = {"token": token, "session": pair["session"], "position": pair["position"], "chosen": "left"}
        pair = client.post("/api/vote", json=ballot).json()


def test_votes_are_copied_to_the_hub(
    study_folder: Path, tmp_path: Path, hub: HubServer, home: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Also those of a server whose disk was lost: each database has a file of its own there."""
    place = copied(study_folder, tmp_path / "study")
    for number, count in enumerate((5, 3), start=1):
        with serving(place, hub.environment(home), "--mirror", "acme/votes") as (client, _):
            rate_some(client, count)
        repo = hub.repos["datasets", "acme/votes"]
        assert repo.private
        assert len([name for name in repo.files if name.startswith("votes-")]) == number
        for file in place.glob("votes.db*"):
            file.unlink()
    fetched = tmp_path / "fetched"
    fetched.mkdir()
    for name, content in repo.files.items():
        (fetched / name).write_bytes(content)
    study = Study.load(fetched)
    assert len(read_votes(fetched, study)) == 8
    assert crn(monkeypatch, "study", "report", fetched) == 0
    assert " votes of " in capsys.readouterr().out
    (copy,) = [file for file in fetched.glob("votes-*.csv") if len(pd.read_csv(file)) == 3]
    (fetched / "votes-again.csv").write_bytes(copy.read_bytes())  # counts once
    assert len(read_votes(fetched, study)) == 8
    for text, message in (
        ("a,b\n1,2\n", "not readable as a copy of votes"),
        (copy.read_text() + OTHER, "are for another plan"),
    ):
        copy.write_text(text)
        assert crn(monkeypatch, "study", "report", fetched) == 2
        assert message in capsys.readouterr().err


OTHER = "somebody,99,0,left,,,900,400,1,2026-11-27,0123456789abcdef\n"  # a vote of another study


def test_what_a_server_refuses(study_folder: Path, tmp_path: Path, hub: HubServer, home: Path) -> None:
    place = copied(study_folder, tmp_path / "study")
    hub.commit("datasets", "acme/public", {"README.md": b"ours"})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        public = ["--port", "0", "--mirror", "acme/public"]
        done = subprocess.run(
            [sys.executable, "-m", "crn_hub", "study", "serve", place, *public],
            env=os.environ | hub.environment(home), capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert "--mirror acme/public: this data set is public" in done.stderr
        for options, message in (
            (["--port", "0", "--mirror", "no/such/name"], "is not the id of a Hub repo"),
            (["--port", str(port)], f"--port {port}: cannot listen there (Address already in use)"),
        ):
            ended = crn_apart("study", "serve", place, *options)
            assert (ended.code, ended.stderr.count("\n")) == (2, 1), ended.stderr
            assert message in ended.stderr
    (place / "pictures").unlink()
    ended = crn_apart("study", "serve", place)
    assert ended.code == 2
    assert "the same crn study create makes what is missing" in ended.stderr


def test_votes_belong_to_the_plan_that_they_were_cast_for(
    study_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = copied(study_folder, tmp_path / "study")
    study = json.loads((place / "study.json").read_text())
    Votes(place, Study.load(place)).close()
    (place / "study.json").write_text(json.dumps(study | {"passing": 0.7}))  # nobody has voted yet
    with closing(Votes(place, Study.load(place))) as votes:
        rater = votes.rater_of(votes.new_rater()) or ""
        votes.cast(rater, Vote(*(votes.place_of(rater) or (0, 0)), "left", None, None, 900.0))
    (place / "study.json").write_text(json.dumps(study | {"passing": 0.7, "title": "A better title"}))
    assert len(read_votes(place, Study.load(place))) == 1
    (place / "study.json").write_text(json.dumps(study | {"passing": 0.0}))
    for command in ("report", "serve"):
        assert crn(monkeypatch, "study", command, place) == 2
        assert "study.json: it has been changed since the first vote" in capsys.readouterr().err
    study["sessions"][0][0]["left"] = "nobody"
    (place / "study.json").write_text(json.dumps(study))
    assert crn(monkeypatch, "study", "report", place) == 2
    assert "a pair shows nobody, which is none of its systems" in capsys.readouterr().err
    (place / "study.json").write_bytes((study_folder / "study.json").read_bytes())
    for file in place.glob("votes.db*"):
        file.unlink()
    (place / "votes.db").write_bytes(bytes(range(256)) * 20)
    assert crn(monkeypatch, "study", "report", place) == 2
    assert "votes.db: not usable as the database of a study's votes (file is not a database)" in capsys.readouterr().err


def test_nothing_that_a_browser_gets_tells_the_systems_apart(study_folder: Path, tmp_path: Path) -> None:
    place = copied(study_folder, tmp_path / "study")
    study = Study.load(place)
    with served(place) as address, httpx.Client(base_url=address) as client:
        token = client.post("/api/consent", json={}).json()["token"]
        asked = client.post("/api/next", json={"token": token})
        about = client.get("/api/about")
        page = client.get("/").text + client.get("/study.js").text + client.get("/study.css").text
        for text in (asked.text, about.text, page):
            assert not [name for name in (*SYSTEMS, "pictures/") if name in text]
        pair = asked.json()
        assert {*pair} == {"done", "session", "position", "of", "left", "right", "exposure", "following"}
        assert client.get(f"/picture/{pair['following']['left']}").status_code == 200  # to load it ahead
        answers = [client.get(f"/picture/{pair[side]}") for side in ("left", "right")]
        trial = study.sessions[pair["session"]][pair["position"]]
        for answer, system in zip(answers, (trial.left, trial.right), strict=True):
            number = [REAL, *study.systems].index(system)
            expected = pixels_of(place / "pictures" / str(number) / f"{trial.row}.png")
            assert np.array_equal(np.array(Image.open(io.BytesIO(answer.content))), expected)
        headers = [{k: v for k, v in answer.headers.items() if k != "date"} for answer in answers]
        assert headers[0] == headers[1]  # the same length, type and caching, and nothing else
        assert {*headers[0]} == {"server", "content-type", "content-length", "cache-control"}
        other = client.post("/api/consent", json={}).json()["token"]
        assert pair["left"] != client.post("/api/next", json={"token": other}).json()["left"]
        assert client.get("/picture/0.png").status_code == 404
        assert client.post("/api/next", json={"token": "x"}).status_code == 401
        ballot = {"token": token, "session": pair["session"], "position": 5, "chosen": "left"}
        assert client.post("/api/vote", json=ballot).status_code == 409
        assert client.post("/api/vote", json=ballot | {"session": 99}).status_code == 409
        for wrong in ({"chosen": "both"}, {"position": 2**70}, {"session": -1}):
            assert client.post("/api/vote", json=ballot | wrong).status_code == 422
    png = io.BytesIO()
    Image.new("RGB", (3, 2), (9, 8, 7)).save(png, "PNG")
    longer = filled(png.getvalue(), 500)
    assert len(longer) == 500
    assert Image.open(io.BytesIO(longer)).getpixel((0, 0)) == (9, 8, 7)


# -- the report --------------------------------------------------------------------------------------


def test_sessions_have_sentinels_for_the_pairs_that_they_have() -> None:
    rows = divide_rows(range(8), 6, True, "unlimited", 1000, 0)
    (session,) = plan_sessions(("a",), True, rows, "unlimited", 1000, 0)
    assert [trial.sentinel for trial in session].count(True) == 1
    assert len(session) == 7


def test_a_report_has_tables_and_plots(study_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                       capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    study = Study.load(study_folder)
    strengths = {REAL: 2.0, "good": 0.5, "weak": -1.0}
    votes = pd.concat(
        [simulated(12, 30, strengths, seed, exposure=exposure) for seed, exposure in enumerate(EXPOSURES)]
    )  # fmt: skip
    found = conclusions_of(Study(**{**vars(study), "mode": "limited"}), votes)
    assert [rank.system for rank in found.ranks] == [REAL, "good", "weak"]
    assert len(found.exposures) == 3
    text = to_text(found)
    assert "good > weak" in text
    assert "12 raters" in text
    written = write_report(found, tmp_path / "report")
    assert {file.name for file in written} == {
        "report.md", "preferences.csv", "ranking.csv", "preferences.png", "preferences.svg", "exposures.png",
        "exposures.svg",
    }  # fmt: skip
    table = pd.read_csv(tmp_path / "report" / "preferences.csv")
    assert len(table) == 3 + 3 * 7
    assert (table["low"] <= table["share"]).all()
    odd = {"good": "a$\\foo$", "weak": "<b>|c|*"}
    renamed = votes.replace({"first": odd, "second": odd})
    found = conclusions_of(Study(**{**vars(study), "systems": tuple(odd.values()), "mode": "limited"}), renamed)
    write_report(found, tmp_path / "odd")
    assert "\\<b\\>" in (tmp_path / "odd" / "report.md").read_text().partition("## Ranking")[2]
    assert "fixed before the first vote" in (tmp_path / "report" / "report.md").read_text()
    place = copied(study_folder, tmp_path / "study")
    assert crn(monkeypatch, "study", "report", place) == 2
    assert "no votes that count; 0 were cast" in capsys.readouterr().err
    assert crn(monkeypatch, "study", "report", tmp_path / "nowhere") == 2
    assert "no study; crn study create makes one" in capsys.readouterr().err
    (place / "study.json").write_text("{}")
    assert crn(monkeypatch, "study", "report", place) == 2
    assert "not readable as a study" in capsys.readouterr().err
