"""How runs of train_accelerate.py that were stopped compare with one that never was."""

from pathlib import Path

import torch

from support.training_script import log_of, same_weights

STEPS, EVERY = 11, 2  # a run's steps, and those between checkpoints; 4 steps make an epoch
NOISE = {"images_per_second", "data_share", "memory_gb"}  # what differs from run to run

Run = tuple[list[str], Path]  # a command line without its output folder, and the folder of a run never killed


def comparable(folder: Path) -> list[dict]:
    return [{key: value for key, value in entry.items() if key not in NOISE} for entry in log_of(folder)]


def assert_same(whole: Path, other: Path) -> None:
    """Weights, logged losses, and in the last common checkpoint the averages and the optimiser, bit for bit."""
    assert same_weights(whole, other)
    assert comparable(whole) == comparable(other)
    last = f"checkpoint-{STEPS // EVERY * EVERY}"
    assert same_weights(whole / last, other / last)
    assert same_weights(whole / last / "model", other / last / "model")
    one, two = (torch.load(folder / last / "optimizer.bin", weights_only=True)["state"] for folder in (whole, other))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[i][key], two[i][key]) for i in one for key in ("step", "exp_avg", "exp_avg_sq"))
    assert not list(other.glob(".*"))
