"""Wall time and peak memory of a command and its children.

    python benchmarks/cost.py crn synthesize box layout.png --output photographs
    python benchmarks/cost.py --until http://127.0.0.1:7860 make demo

With --until the command is a server: the time is measured until the address answers, then the server is stopped.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import psutil


def main() -> int:
    arguments = sys.argv[1:]
    address = None
    if arguments[:1] == ["--until"] and len(arguments) > 2:
        address, arguments = arguments[1], arguments[2:]
    if not arguments or arguments[0].startswith("--"):
        sys.exit("usage: python benchmarks/cost.py [--until ADDRESS] COMMAND...")
    if shutil.which(arguments[0]) is None:
        sys.exit(f"cost.py: {arguments[0]}: no such command.")
    started = time.perf_counter()
    process = subprocess.Popen(arguments, start_new_session=True)
    peak = 0

    def watch() -> None:
        nonlocal peak
        while process.poll() is None:
            peak = max(peak, memory(process.pid))
            time.sleep(0.1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    if address is None:
        process.wait()
    else:
        while process.poll() is None and not answers(address):
            time.sleep(0.1)
    seconds = time.perf_counter() - started
    code = process.poll()
    if code is None:
        os.killpg(process.pid, signal.SIGTERM)
    watcher.join()
    if address is not None and code is not None:
        sys.exit(f"cost.py: {' '.join(arguments)} ended with exit code {code} before {address} answered.")
    print(f"{' '.join(arguments)}: {seconds:.1f} s, peak memory {peak / 1e9:.2f} GB")
    return 0 if address is not None else process.returncode


def memory(pid: int) -> int:
    """Resident bytes of a process and its children; shared pages count once for each process."""
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for member in family:
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def answers(address: str) -> bool:
    """Whether a page is served there."""
    try:
        with urllib.request.urlopen(address, timeout=1) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(main())
