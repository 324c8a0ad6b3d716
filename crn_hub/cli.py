"""The commands of `crn`, and how every command of the project ends."""

import io
import os
import signal
import sys

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
    print_in_any_encoding()
    command.suppress_keyboard_interrupt = False  # cyclopts would end it without a word
    if "HF_HUB_VERBOSITY" not in os.environ:
        hub_logging.set_verbosity_error()  # so that no warning about a retry precedes our one line
    try:
        command(sys.argv[1:], exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _end(command, "interrupted.", 128 + signal.SIGINT)
    except BrokenPipeError:  # whoever read what is printed, such as `head`, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain once more
        sys.exit(128 + 13)  # as SIGPIPE ends others
    except (CycloptsError, ValueError, FileNotFoundError, FileExistsError) as error:
        _end(command, one_line(str(error)), 2)
    except (OSError, RuntimeError, SafetensorError, MemoryError) as error:
        _end(command, one_line(str(error)) or "out of memory.", 1)


def print_in_any_encoding() -> None:
    """Lets characters that a terminal or a file cannot have be printed as \\u2192 and the like, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _end(command: App, said: str, code: int) -> None:
    print(f"{command.name[0]}: {said}", file=sys.stderr)
    sys.exit(code)
