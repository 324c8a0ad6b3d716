"""Whose turn it is to run a network: visitors' own photographs in their order, small ones while nobody waits."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """One turn at a time. Whoever waits for a photograph of their own comes before all small ones, so waits for one
    run at most beside those of others like it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._own: deque[object] = deque()
        self._small: deque[object] = deque()
        self._taken = False

    @contextmanager
    def turn(self, small: bool = False) -> Iterator[None]:
        """Waits for a turn, which lasts as long as the block.

        Args:
            small: for a small photograph, which others come before.
        """
        waiting, ticket = self._small if small else self._own, object()
        with self._changed:
            waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: not self._taken and (self._own or self._small)[0] is ticket)
                self._taken = True
            finally:
                waiting.remove(ticket)
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()
