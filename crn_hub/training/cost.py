"""What a run costs: time, memory, hardware."""

import platform
from dataclasses import dataclass

import psutil
import torch
from accelerate import Accelerator

from crn_hub.training.stages import Stage


@dataclass
class StageCost:
    """What a stage costs.

    Attributes:
        stage: the stage.
        step, validation, checkpoint: seconds that the last one took.
        memory: the peak so far, in bytes.
    """

    stage: Stage
    step: float = 0.0
    validation: float = 0.0
    checkpoint: float = 0.0
    memory: int = 0


def hardware(accelerator: Accelerator) -> str:
    """What the run ran on, for the card."""
    if accelerator.device.type == "cuda":
        return f"{accelerator.num_processes} x {torch.cuda.get_device_name()}"
    processes, threads = accelerator.num_processes, torch.get_num_threads()
    counted = f"{processes} process{'es' * (processes > 1)} on {threads} thread{'s' * (threads > 1)}"
    return f"{counted}{' each' * (processes > 1)}, {platform.machine()} CPU"


def peak_memory(device: torch.device) -> int:
    """Bytes: of the GPU if the run is on one, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    if platform.system() == "Windows":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # Windows has none

    kilobytes_or_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes_or_bytes * (1 if platform.system() == "Darwin" else 1024)
