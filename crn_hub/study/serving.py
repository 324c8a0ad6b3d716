"""Serves a study until it is stopped, and copies its votes to the Hub if asked to."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from huggingface_hub import CommitScheduler, HfApi

from crn_hub.files import write_text
from crn_hub.hub.client_errors import push_errors
from crn_hub.hub.source import check_repo_id
from crn_hub.study.plan import MANIFEST, Study
from crn_hub.study.server import Pages, describe
from crn_hub.study.votes import Votes

MIRROR = "mirror"  # the folder in the study that is copied
MINUTES = 5  # between two copies


class VotesMirror(CommitScheduler):
    """Copies the votes as a table, and the plan, to a private data set on the Hub.

    Args:
        folder: of the study.
        votes: its votes.
        repo_id: "organisation/name"; made if there is none.

    Raises:
        ValueError: if the data set is public.
        ConnectionError: if the Hub cannot be reached or refuses.
    """

    def __init__(self, folder: Path, votes: Votes, repo_id: str):
        self._votes, self._mirror = votes, folder / MIRROR
        with push_errors(f"--mirror {repo_id}: the votes could not be copied there"):
            api = HfApi()
            api.create_repo(repo_id, repo_type="dataset", private=True, exist_ok=True)
            is_private = api.repo_info(repo_id, repo_type="dataset").private
        if not is_private:
            raise ValueError(f"--mirror {repo_id}: this data set is public; choose a private or a new one.")
        self._mirror.mkdir(exist_ok=True)
        write_text(self._mirror / MANIFEST, (folder / MANIFEST).read_text(encoding="utf-8"))
        with push_errors(f"--mirror {repo_id}: the votes could not be copied there"):
            super().__init__(
                repo_id=repo_id, repo_type="dataset", folder_path=self._mirror, every=MINUTES, private=True, hf_api=api
            )  # fmt: skip

    def push_to_hub(self):  # type: ignore[no-untyped-def]  # as the scheduler declares it
        """What the scheduler does every few minutes."""
        self._votes.copy(self._mirror)
        return super().push_to_hub()

    @asynccontextmanager
    async def while_serving(self, app: FastAPI) -> AsyncIterator[None]:
        """A lifespan (FastAPI) whose end is a last copy, also when the process is told to stop by a signal."""
        yield
        try:
            await asyncio.wrap_future(self.trigger())
        except Exception as error:  # whatever it is, it concerns the copy only
            print(f"warning: the last votes were not copied to {self.repo_id} ({error}).", file=sys.stderr)
        self.stop()


def serve_study(folder: Path, host: str, port: int, mirror: str | None) -> None:
    """Returns when it is stopped.

    Raises:
        FileNotFoundError: if there is no study, or pictures are missing.
        ValueError: if the port is taken, the mirror is public, or the study cannot be read.
        ConnectionError: if the Hub refuses the copy.
    """
    study = Study.load(folder)
    if mirror is not None:
        check_repo_id(mirror)
        if "/" not in mirror:
            raise ValueError(f"--mirror {mirror}: must be organisation/name.")
    try:
        listening = socket.create_server((host, port))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)  # a wrong host has -2
        raise ValueError(f"--host {host} --port {port}: cannot listen there ({reason}).") from error
    with closing(listening), closing(Votes(folder, study)) as votes:
        pages = Pages(folder, study, votes)
        lifespan = VotesMirror(folder, votes, mirror).while_serving if mirror is not None else None
        print(describe(study))
        print(f"http://{host}:{listening.getsockname()[1]}/ (Ctrl+C ends it)", flush=True)
        server = uvicorn.Server(uvicorn.Config(pages.app(lifespan), log_level="warning"))
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listening])
