"""Turns: one at a time, visitors' own in their order, small ones when nobody else waits."""

import threading
import time

import pytest

from crn_hub.demo.turns import Turns


def test_own_photographs_come_before_small_ones_and_in_their_order() -> None:
    turns, done, running = Turns(), [], []
    first_runs, go_on = threading.Event(), threading.Event()

    def run(name: str, small: bool) -> None:
        with turns.turn(small):
            running.append(name)
            assert len(running) == 1
            if name == "first":
                first_runs.set()
                assert go_on.wait(10)
            running.remove(name)
            done.append(name)

    def start(name: str, small: bool) -> threading.Thread:
        thread = threading.Thread(target=run, args=(name, small))
        thread.start()
        time.sleep(0.05)  # so that they wait in this order
        return thread

    threads = [start("first", True)]
    assert first_runs.wait(10)
    threads += [start(name, name.startswith("small")) for name in ("small 1", "own 1", "small 2", "own 2", "own 3")]
    assert done == []
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert done == ["first", "own 1", "own 2", "own 3", "small 1", "small 2"]


def test_a_failure_ends_the_turn() -> None:
    turns = Turns()
    with pytest.raises(RuntimeError, match="no photograph"), turns.turn():
        raise RuntimeError("no photograph")
    with turns.turn(small=True):
        pass
