"""The crn command, also `python -m crn_hub`."""

import signal
import sys


def main() -> None:
    """Entry point of `crn`."""
    try:  # imports take a while, too
        from crn_hub.cli import app, run
    except KeyboardInterrupt:
        print("crn: interrupted.", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    run(app)


if __name__ == "__main__":
    main()
