"""One run at a time in an output folder: a lock that ends with its process, and signs of life for other machines."""

import json
import os
import platform
import threading
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from crn_hub.files import check_folder, write_text
from crn_hub.text import clause

LOCK, HOLDER = ".lock", ".in-use"
BEAT, PATIENCE = 10.0, 45.0  # seconds between signs of life, and how long to wait for one from another machine


class RunLock:
    """Keeps other runs out of an output folder while a `with` block lasts.

    On one machine the lock is the system's, which ends with the process that holds it. Network file systems may keep
    locks to each machine, so whoever holds one also says who they are, in `.in-use`, and touches that file now and
    then. A run that finds the file of another machine waits for a sign of life before it takes the folder over.

    The folder is made, and goes away again if nothing has been written there.

    Args:
        folder: the output folder.

    Raises:
        FileExistsError: if another run has the folder, or a file is in its place.
        OSError: if nothing can be written there.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._lock, self._holder = FileLock(folder / LOCK), folder / HOLDER
        self._ended = threading.Event()

    def __enter__(self) -> "RunLock":
        check_folder("--output_dir", self.folder)
        self._made = [path for path in (self.folder, *self.folder.parents) if not path.exists()]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._take()
        except BaseException:
            self._lock.release()
            self._remove_if_empty()
            raise
        self._pulse = threading.Thread(target=self._beat, daemon=True)
        self._pulse.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._pulse.join()
        for file in (self._holder, self.folder / LOCK):  # the lock last, and while it is still held
            with suppress(OSError):  # Windows removes no open file
                file.unlink(missing_ok=True)
        self._lock.release()
        self._remove_if_empty()

    def _take(self) -> None:
        locked = True
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise FileExistsError(self._in_use()) from None
        except PermissionError:
            raise
        except (OSError, NotImplementedError) as error:
            locked = False
            print(f"note: {self.folder} cannot be locked ({clause(error)}); other runs are still noticed, but later")
        if (before := self._read_holder()) is not None:
            if not locked or before.get("host") != platform.node():
                self._wait_for_sign_of_life(before)
            print(f"note: {self.folder} was in use by {_who(before)}, which ended without a word; taken over")
        write_text(self._holder, json.dumps({"host": platform.node(), "process": os.getpid(), "since": _now()}))

    def _read_holder(self) -> dict[str, object] | None:
        """Who has, or had, the folder; None if nobody says so."""
        try:
            return dict(json.loads(self._holder.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError):
            return {}

    def _wait_for_sign_of_life(self, before: dict[str, object]) -> None:
        """
        Raises:
            FileExistsError: if there is one.
        """
        print(f"note: {self.folder} is or was in use by {_who(before)}; waiting {PATIENCE:.0f} s for a sign of life")
        seen, deadline = self._last_beat(), time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            time.sleep(min(1.0, PATIENCE / 10))
            if (last := self._last_beat()) is not None and last != seen:
                raise FileExistsError(self._in_use())

    def _in_use(self) -> str:
        return (
            f"--output_dir {self.folder} is in use by {_who(self._read_holder() or {})}: wait until that has ended, or "
            "give another --output_dir."
        )

    def _last_beat(self) -> int | None:
        try:
            return self._holder.stat().st_mtime_ns
        except FileNotFoundError:
            return None  # its run has just ended

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            with suppress(OSError):  # the next one may work
                os.utime(self._holder)

    def _remove_if_empty(self) -> None:
        for path in self._made:
            with suppress(OSError):  # it holds something
                path.rmdir()


def _who(holder: dict[str, object]) -> str:
    if not holder:
        return "another run"
    return f"another run (process {holder.get('process')} on {holder.get('host')}, since {holder.get('since')})"


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
