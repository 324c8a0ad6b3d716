"""The machine: what it is, how fast it computes and copies, and calls timed by turns."""

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from tqdm import tqdm

PRODUCTS = 1536  # rows and columns of the matrices that are multiplied
CHANNELS, SIDE = 256, 64  # of a 3x3 convolution, which on many machines goes faster than a matrix product
COPIED = 2**26  # numbers of 4 bytes: more than a cache holds

Call = Callable[[], object]


def device_of_choice() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def describe(device: torch.device, threads: int) -> str:
    """The processor, threads and PyTorch, on one line."""
    if device.type == "cuda":
        where = torch.cuda.get_device_name(device)
    else:
        where = f"{_cpu_name()}, {torch.backends.cpu.get_cpu_capability()}, {threads} thread{'s' * (threads > 1)}"
    return f"{where}, PyTorch {torch.__version__}"


def _cpu_name() -> str:
    """As the system calls it; its architecture if that isn't known."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (names or [platform.processor() or platform.machine()])[0]


def wait_for(device: torch.device) -> None:
    """Waits until the device has done what it was told to: a GPU works on while Python goes on."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def take_turns(calls: Mapping[str, Call], rounds: int, device: torch.device, what: str) -> dict[str, list[float]]:
    """Seconds of each call in each round: all of them in turn, so that other work on the machine meets them alike.

    A first round isn't counted. A progress bar says `what` is being measured.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    with tqdm(total=(rounds + 1) * len(calls), desc=what, leave=False) as bar:
        for number in range(rounds + 1):
            for name, call in calls.items():
                wait_for(device)
                began = time.perf_counter()
                call()
                wait_for(device)
                if number:
                    seconds[name].append(time.perf_counter() - began)
                bar.update()
    return seconds


@dataclass
class Limits:
    """What the machine itself can do in float32; `calls` are to be timed beside what is compared with it.

    Attributes:
        device: where.
        calls: a matrix product, a convolution, and a copy in memory.
    """

    device: torch.device
    calls: dict[str, Call] = field(init=False)

    def __post_init__(self) -> None:
        a = torch.randn(PRODUCTS, PRODUCTS, device=self.device)
        x = torch.randn(1, CHANNELS, SIDE, SIDE, device=self.device).contiguous(memory_format=torch.channels_last)
        kernel = torch.randn(CHANNELS, CHANNELS, 3, 3, device=self.device)
        source = torch.randn(COPIED, device=self.device)
        target = torch.empty_like(source)
        self.calls = {
            "matrix product": lambda: a @ a,
            "convolution": lambda: F.conv2d(x, kernel, padding=1),
            "copy": lambda: target.copy_(source),
        }

    def rate(self, seconds: Mapping[str, list[float]]) -> float:
        """GFLOP/s of the faster of product and convolution, from what `take_turns` measured of `calls`."""
        product, convolution = 2 * PRODUCTS**3, 2 * 9 * CHANNELS**2 * SIDE**2
        rates = product / median(seconds["matrix product"]), convolution / median(seconds["convolution"])
        return max(rates) / 1e9

    @staticmethod
    def bandwidth(seconds: Mapping[str, list[float]]) -> float:
        """GB/s, read and written."""
        return 2 * 4 * COPIED / median(seconds["copy"]) / 1e9
