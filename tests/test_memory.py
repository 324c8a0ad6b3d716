"""Processes keep freed memory where they say so."""

import platform
import subprocess
import sys

import pytest

USE = """
import resource
{keep}
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        bytearray(2**26)[::4096] = b"1" * 2**14
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""
PAGES = 5 * 2**14  # in five blocks of 64 MB


def faults(keep: str) -> int:
    done = subprocess.run([sys.executable, "-c", USE.format(keep=keep)], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_blocks_are_filled_with_zeros_once() -> None:
    """The system need not provide the pages of large blocks again and again."""
    keep = "from crn_hub.memory import keep_freed_memory; keep_freed_memory()"
    assert faults("") > 0.5 * PAGES  # pages may be huge
    assert faults(keep) < 0.05 * PAGES


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from crn_hub import memory

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.delattr(memory.ctypes, "CDLL")
    memory.keep_freed_memory()
