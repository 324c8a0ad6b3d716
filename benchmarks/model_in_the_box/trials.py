"""The short, comparable training runs from which the settings of the model in the box were chosen, and their measures.

    python benchmarks/model_in_the_box/trials.py "$CAMVID" segmenter trials

Trains the trials that have not been trained yet, each on a core of its own, evaluates all with `crn evaluate` on the
held-out rows, and writes trials.md, trials.jpg (a few held-out layouts) and widths.png into the output folder.
Photographs that may not be published are left out.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from statistics import median

from matplotlib.figure import Figure
from PIL import Image
from tqdm import tqdm

from crn_hub import CRN, ClassSet
from crn_hub.commands.evaluate import evaluate
from crn_hub.data import PairDataset, find_classes, hidden_rows, load_rows, spread
from crn_hub.metrics.contact_sheet import Tiles, draw_grid
from crn_hub.networks.cascade import DEMO_WIDTHS
from crn_hub.pictures import to_pixels
from crn_hub.segmentation import load_segmenter

ROOT = Path(__file__).parents[2]
MEASURES = {
    "frechet_segmenter": "Fréchet, segmenter ↓",
    "kernel_perceptual": "kernel, VGG-16 ↓",
    "miou": "mIoU ↑",
    "perceptual": "perceptual ↓",
    "diversity": "between k images ↑",
}
COMMON = [
    "--random_flip", "--validation_steps", "100", "--checkpointing_steps", "200", "--checkpoints_total_limit", "1",
]  # fmt: skip
BUDGET = 15  # GFLOP for one image of 256 x 512
WIDTHS = {  # trials that compare widths -> factors on those of the demo network
    "width-quarter": 1 / 4,
    "width-half": 1 / 2,
    "base": 1,
    "width-double": 2,
}


@dataclass(frozen=True)
class Trial:
    """One run: its question, its arguments, the trial whose model it starts from, and its seed."""

    question: str
    arguments: str
    start: str | None = None
    seed: int = 1


def widths(share: float) -> list[int]:
    """The demo network's widths, times `share`."""
    return [round(share * width) for width in DEMO_WIDTHS]


def width_trial(share: float) -> Trial:
    at_64 = " ".join(map(str, widths(share)[:5]))
    return Trial(f"widths {at_64}", f"{AT_64} --use_ema --widths {at_64}")


AT_64, DEEP = "--resolution 64 --max_train_steps 400", "--loss_layers conv2_2 conv3_2 conv4_2 conv5_2"
TRIALS = {
    "base": Trial("box widths, k = 1, calibrated, 3e-4", f"{AT_64} --use_ema"),
    "no-input": Trial("loss without input and conv1_2", f"{AT_64} --use_ema {DEEP}"),
    "simplified": Trial("half of the layouts simplified", f"{AT_64} --use_ema --simplify_layouts 0.5"),
    "base-again": Trial("the same with another seed: the effect of chance", f"{AT_64} --use_ema", seed=2),
    **{name: width_trial(share) for name, share in WIDTHS.items() if name != "base"},
    "128-whole": Trial(
        "128p after base, 200 steps: loss on whole images", "--resolution 128 --max_train_steps 200 --use_ema", "base"
    ),
    "128-window": Trial(
        "the same, 450 steps: loss on a quarter of each image",
        "--resolution 128 --max_train_steps 450 --use_ema --loss_window 64", "base",
    ),
    "128-no-input": Trial(
        "128p after no-input, 200 steps, its loss",
        f"--resolution 128 --max_train_steps 200 --use_ema {DEEP}", "no-input",
    ),
    "grown": Trial("330 steps at 32p first, then 200 at 64p", "--stages 32:330 64:200 --use_ema"),
    "k2-per-class": Trial("k = 2, the best image for each class", f"{AT_64} --use_ema --num_images 2"),
    "k2-per-layout": Trial(
        "k = 2, the best image for the layout", f"{AT_64} --use_ema --num_images 2 --best_image per_layout"
    ),
    "rate-1e-4": Trial("learning rate 1e-4", f"{AT_64} --use_ema --learning_rate 1e-4"),
    "rate-1e-3": Trial("learning rate 1e-3", f"{AT_64} --use_ema --learning_rate 1e-3"),
    "no-ema": Trial("without the average of weights", AT_64),
    "not-calibrated": Trial("loss weights 1 throughout", f"{AT_64} --use_ema --calibration_step 399"),
    "fine-layers": Trial("loss on input to conv3_2", f"{AT_64} --use_ema --loss_layers input conv1_2 conv2_2 conv3_2"),
}  # fmt: skip


def train(name: str, data: str, output: Path, core: int) -> None:
    """Runs a trial on one core, or resumes it; its output goes to a log beside its folder."""
    trial = TRIALS[name]
    command = [sys.executable, "train_accelerate.py", "--dataset_name", data, *COMMON, *trial.arguments.split()]
    command += ["--seed", str(trial.seed), "--output_dir", str(output / name), "--resume_from_checkpoint", "latest"]
    if trial.start:
        command += ["--init_from", str(output / trial.start)]
    with (output / f"{name}.log").open("a") as log:
        code = subprocess.run(
            command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": str(ROOT)},
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        ).returncode  # fmt: skip
    if code:
        raise RuntimeError(f"trial {name} ended with exit code {code}; see {output / name}.log")


def train_all(data: str, output: Path) -> None:
    """In the order of the table, as many at a time as there are cores."""
    cores: Queue[int] = Queue()
    for core in os.sched_getaffinity(0):
        cores.put(core)

    def on_a_core(name: str, start: Future[None] | None) -> None:
        if start:
            start.result()
        core = cores.get()
        try:
            train(name, data, output, core)
        finally:
            cores.put(core)

    with ThreadPoolExecutor(cores.qsize()) as pool:
        runs: dict[str, Future[None]] = {}
        for name, trial in TRIALS.items():  # a trial comes after the one it starts from, which is running already
            runs[name] = pool.submit(on_a_core, name, runs.get(trial.start or ""))
        for run in tqdm(runs.values(), desc="trials", unit="trial"):
            run.result()


def table(output: Path) -> list[str]:
    """Each trial with its cost and its measures, as Markdown."""
    results = {m["name"]: m for m in json.loads((output / "evaluation/results.json").read_text())["models"]}
    lines = [
        "| trial | | s/step | min | M parameters | " + " | ".join(MEASURES.values()) + " |",
        "| --- | --- " + "| --- " * (3 + len(MEASURES)) + "|",
    ]
    for name, trial in TRIALS.items():
        log = [json.loads(line) for line in (output / name / "training_log.jsonl").read_text().splitlines()]
        seconds = [1 / entry["images_per_second"] for entry in log]
        measures = results[name]["measures"]
        shown = [f"{measures[m][0]:.3g}" if measures.get(m) else "-" for m in MEASURES]
        cost = [f"{median(seconds):.2f}", f"{sum(seconds) / 60:.1f}", f"{results[name]['parameters'] / 1e6:.2f}"]
        lines.append(f"| {name} | {trial.question} | " + " | ".join([*cost, *shown]) + " |")
    return lines


def draw_widths(output: Path) -> None:
    """Measures against the GFLOP of a network of these widths for an image of 256 x 512; a line marks the budget."""
    results = {m["name"]: m for m in json.loads((output / "evaluation/results.json").read_text())["models"]}
    gflop = [CRN(ClassSet.camvid(), widths(share)).gflop for share in WIDTHS.values()]
    figure = Figure(figsize=(10, 3.2), dpi=100, layout="constrained")
    for axes, (measure, title) in zip(figure.subplots(1, 4), MEASURES.items(), strict=False):
        y, low, high = zip(*(results[name]["measures"][measure] for name in WIDTHS), strict=True)
        axes.fill_between(gflop, low, high, alpha=0.2)
        axes.plot(gflop, y, "o-")
        axes.plot([gflop[2]], [results["base-again"]["measures"][measure][0]], "x", color="0.3")  # another seed
        axes.axvline(BUDGET, color="0.7", linewidth=1)
        axes.set(title=title, xlabel="GFLOP at 256 x 512", xscale="log")
        axes.grid(alpha=0.3)
    figure.savefig(output / "widths.png")


def draw_trials(data: str, output: Path) -> None:
    """Four held-out layouts, spread over the rows, with each trial's first image."""
    rows = load_rows(data)[1]
    data_set = PairDataset(rows, find_classes(data), (128, 256))
    shown = spread(len(data_set), 4)
    pairs = [data_set[index] for index in shown]
    photographs = [Image.fromarray(to_pixels(pair["photograph"])) for pair in pairs]
    hidden = hidden_rows(rows)
    layouts: Tiles = [data_set.classes.to_image(pair["ids"].numpy()).convert("RGB") for pair in pairs]
    lines = [("layout", layouts)]
    for name in TRIALS:
        model = CRN.from_pretrained(output / name)
        lines.append((name, [*(model.synthesize(pair["ids"].numpy(), 1)[0] for pair in pairs)]))
    lines.append(("photograph", [None if row in hidden else p for row, p in zip(shown, photographs, strict=True)]))
    draw_grid([f"row {row}" for row in shown], lines, (128, 256)).save(output / "trials.jpg", quality=90)


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit("usage: python benchmarks/model_in_the_box/trials.py DATA SEGMENTER OUTPUT")
    data, segmenter, output = sys.argv[1], sys.argv[2], Path(sys.argv[3]).resolve()
    load_segmenter(segmenter, find_classes(data))  # fails now, not in an hour, if an argument is wrong
    output.mkdir(parents=True, exist_ok=True)
    train_all(str(Path(data).resolve()), output)
    models = [str(output / name) for name in TRIALS]
    evaluate(
        models, dataset=data, segmenter=segmenter, output=output / "evaluation", size=(128, 256), for_publication=True
    )
    text = "\n".join(table(output))
    (output / "trials.md").write_text(text + "\n")
    print(text)
    draw_widths(output)
    draw_trials(data, output)


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(str(error))
