"""Whether a run is what its launcher was asked for."""

import os
from collections.abc import Mapping

from accelerate import Accelerator

# How launchers tell a process how many there are: torchrun, Open MPI, MPICH and Intel MPI, MVAPICH. Not Slurm's srun,
# whose tasks may well be runs of their own.
COUNTS = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")

# How `accelerate launch` asks for ways to divide a network among GPUs.
DIVIDED = {
    "ACCELERATE_USE_FSDP": "FSDP",
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
}


def check_way_of_training(environment: Mapping[str, str] = os.environ) -> None:
    """To be called before there is an Accelerator, which would need what is asked for to be installed.

    Raises:
        ValueError: if the network should be divided among GPUs, which this script doesn't do.
    """
    for variable, name in DIVIDED.items():
        if environment.get(variable, "").lower() in ("1", "true"):
            raise ValueError(
                f"{name} was asked for ({variable}), but each GPU holds the whole network here, and the batch is what "
                "they divide: leave it out of the launcher's options and of the answers to `accelerate config`."
            )


def check_processes(accelerator: Accelerator, environment: Mapping[str, str] = os.environ) -> None:
    """Prints a note if `accelerate launch` was asked for several processes and has started one.

    Raises:
        ValueError: if there are several processes and each believes that it is alone, so that all would train the same
            and write the same files.
    """
    if accelerator.num_processes > 1:
        return
    for variable in COUNTS:
        count = environment.get(variable, "")
        if count.isdecimal() and int(count) > 1:
            raise ValueError(
                f"the launcher has started {count} processes ({variable}), but accelerate sees one in each, and all "
                "would write the same files: set ACCELERATE_USE_CPU=true if this machine has no GPUs, so that they "
                "find one another, or start one process."
            )
    if "MASTER_ADDR" in environment and "RANK" not in environment:
        print(
            "note: the launcher was asked for several processes and has started one, which trains alone; on a CPU, "
            "torchrun starts several, with ACCELERATE_USE_CPU=true"
        )
