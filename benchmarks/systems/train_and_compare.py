"""Trains every system for the same time and compares the results on held-out layouts.

    python benchmarks/systems/train_and_compare.py "$CAMVID" guide segmenter systems 15

GUIDE is the segmentation network that the system "gan-segmentation" is trained with, SEGMENTER the one that measures.
They must be different networks, or that system would be measured by its own loss: make both with `crn train-segmenter`,
with different values of --seed.

First each system is timed for a few steps, in two rounds, during which nothing else should run. From the time of a step
follows the number of steps that fit into MINUTES, so other load on the machine during the training does not change it.
Writes into the output folder: steps.json; a model folder and a log for each system; `evaluation/`, of `crn evaluate`;
systems.md, a table; held-out.jpg, some held-out layouts. Resumes where it was stopped.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image
from tqdm import tqdm

from crn_hub import HubModel
from crn_hub.commands.evaluate import evaluate
from crn_hub.data import find_classes
from crn_hub.files import write_text
from crn_hub.segmentation import load_segmenter
from crn_hub.training.systems import SEGMENTATION, SYSTEMS

ROOT = Path(__file__).parents[2]
SIZE = (128, 256)
COMMON = "--resolution 128 --random_flip --validation_steps 250 --checkpointing_steps 250 --checkpoints_total_limit 1"
WIDTHS = {"spade": 16}  # if the published width, which is the default, takes a CPU too long
TIMED_STEPS, WARM_UP, ROUNDS = 25, 5, 2
COST = ["M parameters", "GFLOP", "s/step", "steps", "epochs", "min"]
MEASURES = {
    "frechet_segmenter": "Fréchet, segmenter ↓",
    "kernel_segmenter": "kernel, segmenter ↓",
    "kernel_perceptual": "kernel, VGG-16 ↓",
    "miou": "mIoU ↑",
    "perceptual": "perceptual ↓",
    "ssim": "SSIM ↑",
}


def train(system: str, data: str, guide: str, output: Path, steps: int) -> list[dict[str, Any]]:
    """Trains a system, or resumes it, with a log beside its folder; returns the entries of its training log."""
    command = [sys.executable, "train_accelerate.py", "--system", system, "--dataset_name", data, *COMMON.split()]
    command += ["--max_train_steps", str(steps), "--output_dir", str(output), "--resume_from_checkpoint", "latest"]
    if system in WIDTHS:
        command += ["--widths", str(WIDTHS[system])]
    if SYSTEMS[system].loss is SEGMENTATION:
        command += ["--segmenter", guide]
    with output.with_name(f"{output.name}.log").open("a") as log:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        code = subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, env=environment).returncode
    if code:
        raise RuntimeError(f"{system} ended with exit code {code}; see {log.name}")
    return entries(output)


def entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]


def plan(systems: list[str], data: str, guide: str, minutes: float) -> dict[str, dict[str, float]]:
    """For each system the seconds of a step, and how many steps fit into the time."""
    seconds: dict[str, list[float]] = {system: [] for system in systems}
    for number, system in enumerate(tqdm(systems * ROUNDS, desc="timing steps", unit="run")):
        with tempfile.TemporaryDirectory() as folder:
            log = train(system, data, guide, Path(folder) / f"{number}", TIMED_STEPS)
        seconds[system] += [1 / entry["images_per_second"] for entry in log[WARM_UP:]]
    return {
        system: {"seconds": round(median(taken), 4), "steps": round(60 * minutes / median(taken))}
        for system, taken in seconds.items()
    }


def table(output: Path, planned: dict[str, dict[str, float]]) -> list[str]:
    """Each system with its cost and its measures with 95 % intervals, as Markdown."""
    results = {m["name"]: m for m in json.loads((output / "evaluation/results.json").read_text())["models"]}
    lines = ["| system | " + " | ".join([*COST, *MEASURES.values()]) + " |"]
    lines.append("| --- " * (1 + len(COST) + len(MEASURES)) + "|")
    for system in SYSTEMS:
        model = HubModel.from_pretrained(output / system)
        result = model.training_record["result"]
        wall = sum(1 / e["images_per_second"] for e in entries(output / system))
        cells = [f"{model.num_parameters / 1e6:.2f}", f"{model.gflop:.1f}", f"{planned[system]['seconds']:.2f}"]
        cells += [f"{result['steps']:,}", f"{result['epochs']:.1f}", f"{wall / 60:.1f}"]
        for name in MEASURES:
            value, low, high = results[system]["measures"][name]
            cells.append(f"{value:.3g} ({low:.3g}, {high:.3g})")
        lines.append(f"| {system} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    if len(sys.argv) != 6:
        sys.exit("usage: python benchmarks/systems/train_and_compare.py DATA GUIDE SEGMENTER OUTPUT MINUTES")
    data, guide, segmenter, output = (str(Path(name).resolve()) for name in sys.argv[1:5])
    folder, minutes = Path(output), float(sys.argv[5])
    for network in (guide, segmenter):  # fails now, not in an hour, if an argument is wrong
        load_segmenter(network, find_classes(data, None))
    folder.mkdir(parents=True, exist_ok=True)
    steps = folder / "steps.json"
    planned = json.loads(steps.read_text()) if steps.exists() else {}
    if new := [system for system in SYSTEMS if system not in planned]:
        planned |= plan(new, data, guide, minutes)
        write_text(steps, json.dumps(planned, indent=2))
    for system in tqdm(SYSTEMS, desc="systems", unit="system"):
        train(system, data, guide, folder / system, planned[system]["steps"])
    models = [str(folder / system) for system in SYSTEMS]
    evaluate(
        models, dataset=data, segmenter=segmenter, output=folder / "evaluation", size=SIZE, update_cards=True,
        for_publication=True,
    )  # fmt: skip
    Image.open(folder / "evaluation/contact-sheet.png").convert("RGB").save(folder / "held-out.jpg", quality=88)
    text = "\n".join(table(folder, planned))
    write_text(folder / "systems.md", text + "\n")
    print(text)


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(str(error))
