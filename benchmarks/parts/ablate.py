"""What each part of the system crn-textures brings: short runs from one start, each with one part changed.

    python benchmarks/parts/ablate.py "$STREETS" START segmenter ablation

START is a cascade without colours and noise, of which the first six modules are trained on, at 128 x 256; README.md
says which. Runs that have been stopped continue. Each is measured with `crn evaluate` on the held-out rows of each
source. README.md and grid.jpg appear beside this script, without photographs that may not be published.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image
from tqdm import tqdm

from crn_hub import CRN
from crn_hub.cli import run as run_command
from crn_hub.commands.evaluate import evaluate
from crn_hub.data import PairDataset, find_classes, hidden_rows, load_rows
from crn_hub.hub.card import markdown_table
from crn_hub.losses.texture import TEXTURE_LAYERS
from crn_hub.metrics.contact_sheet import Tiles, draw_grid
from crn_hub.pictures import to_pixels
from crn_hub.segmentation import load_segmenter
from crn_hub.training.systems import PERCEPTUAL, SYSTEMS

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
SYSTEM, MODULES, SIZE = "crn-textures", 6, (128, 256)
STEPS = 1200  # about ten minutes on two cores
ARGUMENTS = (
    f"--system {SYSTEM} --resolution {SIZE[0]} --max_train_steps {STEPS} --validation_steps {STEPS // 2} --random_flip "
    "--use_ema --checkpointing_steps 200 --checkpoints_total_limit 1 --resume_from_checkpoint latest"
).split()
MEASURES = {
    "contrast_1": "contrast, below 1 px",
    "contrast_4": "2 to 4 px",
    "contrast_16": "8 to 16 px",
    "colourfulness": "colourfulness",
    "texture": "texture ↓",
    "frechet_segmenter": "Fréchet, segmenter ↓",
    "frechet_perceptual": "Fréchet, VGG-16 ↓",
    "miou": "mIoU ↑",
}
SOURCES = {"camvid": "CamVid", "labelmefacade": "LabelMeFacade"}
SHOWN = {"camvid": 3, "labelmefacade": 5}  # rows of the grid


@dataclass(frozen=True)
class Variant:
    """The system with one thing changed.

    Attributes:
        settings: of its network.
        arguments: of train_accelerate.py.
        has_texture_loss: or only the perceptual one.
        has_noise_at_the_end: whether the finest module has noise, if others have.
    """

    settings: Mapping[str, bool] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    has_texture_loss: bool = True
    has_noise_at_the_end: bool = True


VARIANTS = {
    "all": Variant(),
    "no noise in the finest module": Variant(has_noise_at_the_end=False),
    "no conv5_2": Variant(arguments=("--texture_layers", *TEXTURE_LAYERS[:-1])),
    "no noise": Variant(settings={"noise_planes": False}),
    "no colours": Variant(settings={"region_colors": False}),
    "no texture loss": Variant(has_texture_loss=False),
}


def folder_of(name: str, output: Path) -> Path:
    return output / name.replace(" ", "-")


def shorten(start: str, output: Path) -> Path:
    """Saves the first modules of a cascade as a model of its own, whose output layer is fresh."""
    model = CRN.from_pretrained(start)
    short = CRN(model.classes, model.widths[:MODULES], model.base_size)
    for module, weights in zip(short.stages, model.stages, strict=False):
        module.load_state_dict(weights.state_dict())
    short.training_record = model.training_record
    folder = output / "start"
    if not folder.exists():
        short.save_pretrained(folder)
    return folder


def train_variant(name: str, arguments: list[str]) -> None:
    """Changes the system in this process as the variant says, and trains it."""
    import train_accelerate

    variant = VARIANTS[name]
    changes: dict[str, Any] = {"settings": {**SYSTEMS[SYSTEM].settings, **variant.settings}}
    if not variant.has_texture_loss:
        changes["loss"] = PERCEPTUAL
    SYSTEMS[SYSTEM] = replace(SYSTEMS[SYSTEM], **changes)
    if not variant.has_noise_at_the_end:
        make = CRN.__init__

        def make_quiet(self: CRN, *args: Any, **kwargs: Any) -> None:
            make(self, *args, **kwargs)
            for name, weights in self.stages[-1].named_parameters():
                if name.startswith("noise"):
                    weights.detach().zero_()
                    weights.requires_grad_(False)

        CRN.__init__ = make_quiet  # type: ignore[method-assign]
    sys.argv[1:] = [*ARGUMENTS, *variant.arguments, *arguments]
    run_command(train_accelerate.app)


def train_all(data: str, start: Path, output: Path) -> None:
    for name in tqdm(VARIANTS, desc="variants", unit="variant"):
        folder = folder_of(name, output)
        arguments = ["--dataset_name", data, "--init_from", str(start), "--output_dir", str(folder)]
        with Path(f"{folder}.log").open("a") as log:
            code = subprocess.run(
                [sys.executable, __file__, "--variant", name, *arguments],
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            ).returncode
        if code:
            raise RuntimeError(f"the variant {name} ended with exit code {code}; see {folder}.log.")


def draw(data: str, output: Path) -> None:
    """grid.jpg: held-out layouts, drawn by each variant in its default style, if it has any."""
    rows = load_rows(data)[1]
    data_set = PairDataset(rows, find_classes(data), SIZE)
    shown = []
    for source, count in SHOWN.items():
        of_source = [row for row, name in enumerate(rows["source"]) if name == source]
        shown += [of_source[(2 * i + 1) * len(of_source) // (2 * count)] for i in range(count)]
    pairs = [data_set[row] for row in shown]
    layouts: Tiles = [data_set.classes.to_image(pair["ids"].numpy()).convert("RGB") for pair in pairs]
    hidden = hidden_rows(rows)
    lines: list[tuple[str, Tiles]] = [("layout", layouts)]
    for name in VARIANTS:
        model = CRN.from_pretrained(folder_of(name, output))
        lines.append((name, [model.synthesize(pair["ids"].numpy())[0] for pair in pairs]))
    photographs = [Image.fromarray(to_pixels(pair["photograph"])) for pair in pairs]
    lines.append(("photograph", [None if row in hidden else p for row, p in zip(shown, photographs, strict=True)]))
    draw_grid([f"row {row}" for row in shown], lines, SIZE).save(HERE / "grid.jpg", quality=72)


def table(source: str, output: Path) -> str:
    results = json.loads((output / f"evaluation/{source}/results.json").read_text())
    models = {model["name"]: model for model in results["models"]}
    lines = []
    for name in VARIANTS:
        folder = folder_of(name, output)
        log = [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]
        step = median(1 / entry["images_per_second"] for entry in log)
        values = [models[folder.name]["measures"].get(key) for key in MEASURES]
        lines.append([name, f"{step:.2f}", *(f"{value[0]:.3g}" if value else "" for value in values)])
    of_photographs = [results["other photographs"]["measures"].get(key) for key in MEASURES]
    lines.append(["other photographs", "", *(f"{value[0]:.3g}" if value else "" for value in of_photographs)])
    return markdown_table(["", "s/step", *MEASURES.values()], lines)


def write_readme(output: Path) -> None:
    """The tables, under what is written by hand."""
    tables = "\n\n".join(f"**{name}**\n\n{table(source, output)}" for source, name in SOURCES.items())
    readme, mark = HERE / "README.md", "<!-- written by ablate.py -->"
    by_hand = readme.read_text().partition(mark)[0] if readme.exists() else ""
    readme.write_text(f"{by_hand}{mark}\n\n{tables}\n\n![Held-out layouts, drawn by each variant](grid.jpg)\n")


def main() -> None:
    if len(sys.argv) != 5:
        sys.exit("usage: python benchmarks/parts/ablate.py DATA START SEGMENTER OUTPUT")
    data, start, segmenter, output = sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]).resolve()
    load_segmenter(segmenter, find_classes(data))  # fails now, not in an hour, if an argument is wrong
    output.mkdir(parents=True, exist_ok=True)
    train_all(str(Path(data).resolve()), shorten(start, output), output)
    models = [str(folder_of(name, output)) for name in VARIANTS]
    evaluate(
        models, dataset=data, segmenter=segmenter, output=output / "evaluation", apart="source", for_publication=True
    )
    draw(data, output)
    write_readme(output)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--variant"]:
        train_variant(sys.argv[2], sys.argv[3:])
    else:
        try:
            main()
        except (OSError, ValueError, RuntimeError) as error:
            sys.exit(str(error))
