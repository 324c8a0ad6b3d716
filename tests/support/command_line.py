"""The command crn, run in this process."""

import sys

import pytest

from crn_hub.cli import app, run


def crn(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["crn", *map(str, arguments)])
    try:
        run(app)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
