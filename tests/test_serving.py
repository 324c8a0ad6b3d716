"""The demo where people really start it: behind proxies, in notebooks, with settings that cannot be used."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from support import ROOT, free_port
from support.browsing import running_app, small_model

from crn_hub import ClassSet
from crn_hub.demo import launch, page
from crn_hub.demo.serving import calls_to_oneself_without_proxy, is_shared

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "no_proxy", "NO_PROXY")


@contextmanager
def refusing_proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy that answers 403 to everything, and what it was asked for."""
    asked: list[str] = []

    class Refusal(BaseHTTPRequestHandler):
        def refuse(self) -> None:
            asked.append(self.path)
            self.send_error(403)

        do_GET = do_HEAD = do_POST = do_CONNECT = refuse  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_the_app_starts_behind_a_proxy_that_refuses(tmp_path: Path, scheme: str) -> None:
    with refusing_proxy() as (proxy, asked):
        proxy = proxy.replace("http:", f"{scheme}:")
        variables = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), proxy) | {"no_proxy": "", "NO_PROXY": ""}
        with running_app(tmp_path, variables):
            pass
    assert asked == []
    assert (tmp_path / "errors").read_text() == ""


def test_proxies_are_bypassed_for_oneself_only_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "intranet")
    before = dict(os.environ)
    with calls_to_oneself_without_proxy("0.0.0.0"):
        assert os.environ["no_proxy"] == "intranet,0.0.0.0,localhost,127.0.0.1,::1"
        assert os.environ["https_proxy"] == "http://proxy:3128"
    assert dict(os.environ) == before


def test_proxies_of_the_system_are_still_used_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows and macOS have settings, which clients forget if variables say anything about proxies."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("crn_hub.demo.serving.getproxies", lambda: {"https": "http://proxy:3128"})
    before = dict(os.environ)
    with calls_to_oneself_without_proxy("127.0.0.1"):
        assert os.environ["https_proxy"] == "http://proxy:3128"
    assert dict(os.environ) == before


class LaunchedError(Exception):
    """The page would be served now."""


@pytest.mark.parametrize(
    ("options", "environment", "share", "folders"),
    [
        ({}, {}, False, True),
        ({"share": True}, {}, True, False),
        ({}, {"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}, True, False),
        ({"share": False}, {"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}, False, True),
        ({}, {"GRADIO_SHARE": "True"}, True, False),
        ({"server_name": "0.0.0.0"}, {}, False, False),
        ({"max_file_size": 7, "theme": "soft", "footer_links": []}, {}, False, True),
    ],
)
def test_what_is_passed_wins_over_the_defaults(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], environment: dict[str, str], share: bool, folders: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    seen: dict[str, Any] = {}

    def note(_: gr.Blocks, **given: Any) -> None:
        seen.update(given)
        raise LaunchedError

    def build(_: object, folders: bool) -> gr.Blocks:
        seen["folders"] = folders
        return gr.Blocks()

    monkeypatch.setattr(gr.Blocks, "launch", note)
    monkeypatch.setattr(page, "build", build)
    with pytest.raises(LaunchedError):
        launch(small_model(ClassSet.camvid()), **options)
    assert (seen["share"], seen["folders"]) == (share, folders)
    assert {name: seen[name] for name in options} == options
    assert seen["max_file_size"] == options.get("max_file_size", page.MAX_FILE_SIZE)


def test_a_notebook_gets_the_address_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    served, address = launch(
        small_model(ClassSet.camvid()), server_name="127.0.0.1", server_port=(port := free_port()), quiet=True
    )
    served.close(verbose=False)
    assert address == f"http://127.0.0.1:{port}/"


def test_here_nothing_is_shared_unasked() -> None:
    assert not is_shared()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"GRADIO_SERVER_PORT": "http"}, "GRADIO_SERVER_PORT is 'http'; it must be a number from 1 to 65535."),
        ({"GRADIO_SERVER_PORT": "70000"}, "GRADIO_SERVER_PORT is '70000'; it must be a number from 1 to 65535."),
        (
            {"all_proxy": "socks://127.0.0.1:9"},
            "all_proxy names a proxy of the kind 'socks'; known are http,",
        ),
        ({"GRADIO_NUM_PORTS": "0"}, "GRADIO_NUM_PORTS is '0'; it must be a number from 1 to 65535."),
        (
            {"GRADIO_TEMP_DIR": "FILE"},
            "FILE: nothing can be written there (File exists), where files of visitors",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_one_line(tmp_path: Path, environment: dict[str, str], message: str) -> None:
    (tmp_path / "FILE").write_text("")
    done = subprocess.run(
        [sys.executable, str(ROOT / "app.py")], env=os.environ | {"CI": "1"} | environment, cwd=tmp_path,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"app.py: {message}")
    assert done.stderr.count("\n") == 1
