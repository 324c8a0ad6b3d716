"""The commands of `crn`, and how every command of the project ends."""

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from cyclopts import App, CycloptsError, Parameter
from huggingface_hub.utils import logging as hub_logging
from safetensors import SafetensorError

from crn_hub.commands.benchmark import benchmark
from crn_hub.commands.convert_tf import convert_tf
from crn_hub.commands.dataset import dataset
from crn_hub.commands.evaluate import evaluate
from crn_hub.commands.info import info
from crn_hub.commands.segment import segment
from crn_hub.commands.study import study
from crn_hub.commands.synthesize import synthesize
from crn_hub.commands.train_segmenter import train_segmenter
from crn_hub.text import one_line

COMMANDS = (synthesize, segment, convert_tf, dataset, train_segmenter, evaluate, study, benchmark, info)

app = App(
    name="crn",
    help="Cascaded Refinement Networks: a semantic layout in, a photograph out.",
    default_parameter=Parameter(negative=()),
)
for command in COMMANDS:
    app.command(command)


def run(command: App) -> None:
    """Runs a command line. Exit code 0, or one line on stderr and 2 (usage, bad input), 1 (failure) or 130 (Ctrl-C)."""
    interrupt, before = _Interrupt(), signal.getsignal(signal.SIGINT)
    if before in (signal.SIG_DFL, signal.default_int_handler):  # else it is ignored, as in the background
        signal.signal(signal.SIGINT, interrupt)
    command.suppress_keyboard_interrupt = False  # cyclopts would end it without a word
    if "HF_HUB_VERBOSITY" not in os.environ:
        hub_logging.set_verbosity_error()  # so that no warning about a retry precedes our one line
    with printing_never_fails():
        try:
            command(sys.argv[1:], exit_on_error=False, print_error=False)
        except (Exception, KeyboardInterrupt) as error:
            if interrupt.heard or isinstance(error, KeyboardInterrupt):
                _end(command, "interrupted.", 128 + signal.SIGINT)
            if isinstance(error, CycloptsError | ValueError | FileNotFoundError | FileExistsError):
                _end(command, one_line(str(error)), 2)
            if isinstance(error, OSError | RuntimeError | SafetensorError | MemoryError):
                _end(command, one_line(str(error)) or "out of memory.", 1)
            raise
        finally:
            if signal.getsignal(signal.SIGINT) is interrupt:
                signal.signal(signal.SIGINT, before)


class _Interrupt:
    """Raises KeyboardInterrupt at Ctrl-C, and remembers it: libraries turn it into errors of their own."""

    def __init__(self) -> None:
        self.heard = False

    def __call__(self, *_: object) -> None:
        self.heard = True
        raise KeyboardInterrupt


@contextmanager
def printing_never_fails() -> Iterator[None]:
    """Lets nothing that is printed end a command.

    What an encoding lacks is printed as \\u2192 and the like; where nobody reads, or there is no room, it is lost.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, _Unfailing(stream or open(os.devnull, "w"))) for stream in before)  # noqa: SIM115
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stdout, sys.stderr = before


class _Unfailing:
    """A stream to write to, whose failures don't matter."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            self._give_up()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        """Lets what comes, and what has not been written yet, go nowhere."""
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def _end(command: App, said: str, code: int) -> None:
    if "tqdm" in sys.modules:
        from tqdm import tqdm

        for bar in [*getattr(tqdm, "_instances", ())]:
            bar.close()  # or it would go on the same line, and once more after ours
    print(f"{command.name[0]}: {said}", file=sys.stderr)
    sys.exit(code)
