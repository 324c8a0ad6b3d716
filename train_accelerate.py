"""Trains a cascaded refinement network on pairs of photograph and label map (Chen and Koltun, ICCV 2017).

    accelerate launch train_accelerate.py                                  # procedural street scenes, a few minutes
    accelerate launch train_accelerate.py --dataset_name org/streets --resolution 256 --output_dir crn-streets

Leaves a model folder that `CRN.from_pretrained` loads, with its card, grids (layout | outputs | photograph) and
training_log.jsonl.
"""

import json
import math
import os
import platform
import resource
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import torch
from accelerate import Accelerator, DataLoaderConfiguration
from accelerate.utils import set_seed
from cyclopts import App, Parameter
from cyclopts.validators import Number
from huggingface_hub import HfApi
from PIL import Image
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid
from tqdm import tqdm

from crn_hub import CRN
from crn_hub.classes import ClassSet
from crn_hub.cli import run
from crn_hub.data import PairDataset, dataset_license, find_classes, load_rows, scene_rows
from crn_hub.hub import check_repo_id, pushing
from crn_hub.losses import PerceptualLoss
from crn_hub.model import DEMO_WIDTHS
from crn_hub.perceptual import LAYERS, load_features
from crn_hub.synthesis import save_picture, to_pixels

# Height of the images -> widths of the modules, where none are given. Each row begins with the row above, so a
# network can be grown from 64 to 128 to 256 and on.
DEFAULT_WIDTHS = {
    32: DEMO_WIDTHS[:4],
    64: DEMO_WIDTHS[:5],
    128: DEMO_WIDTHS[:6],
    256: DEMO_WIDTHS,
    512: (*DEMO_WIDTHS, 12),
    1024: (*DEMO_WIDTHS, 12, 8),
}
SCENES_PER_EPOCH, SCENE_STEPS, EPOCHS = 600, 1200, 200  # lengths of training where none is given; 200 as in the paper
CALIBRATION_BATCHES = 8
EMA_DECAY = 0.999
GRID_ROWS = 4

Tensors = tuple[Tensor, ...] | list[Tensor]
Positive = Parameter(validator=Number(gte=1))


@Parameter(name="*")
@dataclass(kw_only=True)
class Arguments:
    """What can be said on the command line."""

    dataset_name: str | None = None
    """Hub id or folder of a data set; procedural street scenes if left out."""
    image_column: str = "image"
    """Column with the photographs."""
    label_column: str = "label"
    """Column with the label maps: ids, a palette PNG or class colours."""
    classes: str | None = None
    """Preset (cityscapes, camvid) or classes.json; by default the classes.json beside the data."""
    output_dir: Path = Path("crn-out")
    """Folder for the trained model, its card, grids and checkpoints."""
    resolution: Annotated[int, Positive] = 64
    """Height of the images in pixels: 4 * 2 ** (number of modules - 1); the width is twice that."""
    widths: Annotated[tuple[int, ...] | None, Parameter(consume_multiple=True)] = None
    """Channels of each module, coarse to fine; by default a table by resolution."""
    num_images: Annotated[int | None, Positive] = None
    """k, different images per layout; by default that of --init_from, else 1."""
    train_batch_size: Annotated[int, Positive] = 1
    """Images per step and process."""
    learning_rate: Annotated[float, Parameter(validator=Number(gt=0))] = 3e-4
    """Of Adam; the paper's is 1e-4."""
    lr_scheduler: Literal["constant", "linear", "cosine"] = "cosine"
    """How the learning rate goes to 0 by the last step, or stays."""
    max_train_steps: Annotated[int | None, Positive] = None
    """Optimiser steps; overrides --num_train_epochs."""
    num_train_epochs: Annotated[int | None, Positive] = None
    """Passes over the data; 200 by default (scenes: 1200 steps)."""
    seed: Annotated[int, Parameter(validator=Number(gte=0))] = 0
    """Of weights, order and augmentation."""
    mixed_precision: Literal["no", "fp16", "bf16"] = "no"
    """For the cascade; the loss stays in float32."""
    gradient_accumulation_steps: Annotated[int, Positive] = 1
    """Batches per optimiser step."""
    checkpointing_steps: Annotated[int, Positive] = 500
    """Steps between checkpoints."""
    checkpoints_total_limit: Annotated[int | None, Positive] = 2
    """How many checkpoints stay."""
    resume_from_checkpoint: str | None = None
    """A checkpoint's folder, or "latest" in the output folder."""
    validation_steps: Annotated[int, Positive] = 250
    """Steps between grids and validation losses on held-out rows."""
    max_train_samples: Annotated[int | None, Positive] = None
    """Only so many rows of the data set, for trials."""
    random_flip: bool = False
    """Mirror every other pair."""
    perceptual_net: str = "vgg16"
    """vgg16 (in the box), vgg19, timm/vgg16.tv_in1k (from the Hub) or a safetensors file."""
    use_ema: bool = False
    """Average the weights over the steps and save the average."""
    init_from: str | None = None
    """Model folder or Hub id to start from; a shorter cascade is grown."""
    push_to_hub: bool = False
    """Upload the result."""
    hub_model_id: str | None = None
    """organisation/name on the Hub; the output folder's name by default."""


app = App(name="train_accelerate.py", default_parameter=Parameter(name_transform=lambda name: name, negative=()))


@app.default
def main(args: Arguments = Arguments()) -> None:  # noqa: B008 - cyclopts takes the defaults from it
    """Train a cascaded refinement network on pairs of photograph and label map.

    Example: accelerate launch train_accelerate.py --dataset_name org/streets --resolution 256
    """
    accelerator = Accelerator(
        mixed_precision=args.mixed_precision,
        gradient_accumulation_steps=args.gradient_accumulation_steps,
        # The order of rows is a function of (seed, epoch): a resumed run goes on with the rows that were due.
        dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True, data_seed=args.seed),
    )
    set_seed(args.seed)
    if accelerator.device.type == "cpu" and accelerator.num_processes == 1 and torch.get_num_threads() == 1:
        # The launcher leaves one thread unless told otherwise; take all cores that this process may run on.
        torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    started = time.time()

    # -- everything that can be wrong is found before the first step ------------------------------------
    hub_id = args.hub_model_id or args.output_dir.resolve().name
    if args.push_to_hub:
        try:
            check_repo_id(hub_id)
        except ValueError as error:
            raise ValueError(f"--hub_model_id: {error}") from error
    checkpoint = find_checkpoint(args)
    start_model = CRN.from_pretrained(args.init_from) if args.init_from is not None else None
    widths = choose_widths(args, start_model)
    if args.dataset_name is None:
        size = (args.resolution, 2 * args.resolution)
        rows, held_out, classes = scene_rows(min(SCENES_PER_EPOCH, args.max_train_samples or SCENES_PER_EPOCH), size)
        if args.classes is not None and ClassSet.load(args.classes) != classes:
            raise ValueError(f"--classes {args.classes}: the street scenes have the classes of CamVid; leave it out.")
    else:
        with accelerator.main_process_first():
            rows, held_out = load_rows(args.dataset_name, args.image_column, args.label_column, args.max_train_samples)
        classes = find_classes(args.dataset_name, args.classes)
    licence = dataset_license(args.dataset_name) if args.dataset_name is not None else None
    features = load_features(args.perceptual_net)
    if args.push_to_hub and accelerator.is_main_process:
        with pushing(f"--push_to_hub: {hub_id} cannot be created"):
            hub_id = HfApi().create_repo(hub_id, exist_ok=True).repo_id
    args.output_dir.mkdir(parents=True, exist_ok=True)

    # -- model, data, loss ------------------------------------------------------------------------------
    num_images = args.num_images or (start_model.num_images if start_model else 1)
    base_size = start_model.base_size if start_model else (4, 8)
    model = CRN(classes, widths, base_size, num_images)
    if start_model is not None:
        taken = model.grow_from(start_model)
        accelerator.print(f"{taken} of {len(widths)} modules start from {args.init_from}")
    model = model.to(memory_format=torch.channels_last)
    features = features.to(memory_format=torch.channels_last)
    perceptual_loss = PerceptualLoss(features, len(classes)).to(accelerator.device)

    columns = ("image", "label") if args.dataset_name is None else (args.image_column, args.label_column)
    dataset = PairDataset(rows, classes, model.size, *columns, seed=args.seed, random_flip=args.random_flip)
    validation = PairDataset(held_out, classes, model.size, *columns)
    held_out_pairs = [validation[i] for i in spread(len(validation), 2 * GRID_ROWS)]
    loader = DataLoader(dataset, batch_size=args.train_batch_size, shuffle=True)

    optimizer = torch.optim.Adam(model.parameters(), lr=args.learning_rate)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    images_per_step = args.train_batch_size * accelerator.num_processes * args.gradient_accumulation_steps
    steps_per_epoch = -(-len(loader) // args.gradient_accumulation_steps)
    max_steps = args.max_train_steps or (
        SCENE_STEPS
        if args.dataset_name is None and args.num_train_epochs is None
        else (args.num_train_epochs or EPOCHS) * steps_per_epoch
    )
    course = {
        "constant": lambda step: 1.0,
        "linear": lambda step: 1 - step / max_steps,
        "cosine": lambda step: 0.5 * (1 + math.cos(math.pi * step / max_steps)),
    }
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, course[args.lr_scheduler])
    ema = AveragedModel(accelerator.unwrap_model(model), multi_avg_fn=ema_update) if args.use_ema else None
    accelerator.register_for_checkpointing(scheduler, *([ema] if ema is not None else []))

    # What must not change when a run is resumed.
    run_facts = {
        "data": public(args.dataset_name),
        "classes": list(classes.names),
        "widths": list(widths),
        "base_size": list(base_size),
        "num_images": num_images,
        "perceptual_net": public(args.perceptual_net),
        "use_ema": args.use_ema,
        "seed": args.seed,
    }

    # -- resume, or calibrate ---------------------------------------------------------------------------
    step, seconds_before = 0, 0.0
    if checkpoint is not None:
        progress = read_progress(checkpoint, run_facts, max_steps)
        accelerator.load_state(str(checkpoint))
        step, seconds_before = progress["step"], progress["seconds"]
        perceptual_loss.layer_weights.copy_(torch.tensor(progress["layer_weights"]))
        accelerator.print(f"resumed from {checkpoint} at step {step}")
    else:
        layer_errors = torch.zeros(len(LAYERS), device=accelerator.device)
        with torch.no_grad():
            for index in range(CALIBRATION_BATCHES):
                pair = batch_of([dataset[index * len(dataset) // CALIBRATION_BATCHES]], accelerator.device)
                layer_errors += torch.stack(list(perceptual_loss(model(pair[0]), pair[1], pair[0])[1].values()))
        perceptual_loss.calibrate(accelerator.reduce(layer_errors / CALIBRATION_BATCHES, "mean"))
    loss_weights = dict(zip(LAYERS, perceptual_loss.layer_weights.tolist(), strict=True))
    accelerator.print("loss weights: " + ", ".join(f"{layer} {weight:.3g}" for layer, weight in loss_weights.items()))

    def current_model() -> CRN:
        """The model to save and to look at: the average if there is one."""
        return cast(CRN, ema.module if ema is not None else accelerator.unwrap_model(model))

    def finished_model() -> CRN:
        """The same, with the record of its training so far."""
        result = current_model()
        result.training_record = {
            "dataset": public(args.dataset_name) or "procedural street scenes",
            "hub_dataset": args.dataset_name if args.dataset_name and not Path(args.dataset_name).exists() else None,
            "license": licence,
            "settings": {name: public(value) for name, value in asdict(args).items()}
            | {"widths": list(widths), "num_images": num_images},
            "result": {
                "steps": step,
                "epochs": round(step / steps_per_epoch, 2),
                "images_per_step": images_per_step,
                "hours": round((seconds_before + time.time() - started) / 3600, 3),
                "hardware": hardware(accelerator),
                "peak_memory_gb": round(peak_memory() / 1e9, 2),
                "validation_loss": validation_loss,
            },
            "loss_weights": loss_weights,
        }
        if start_model is not None:
            result.training_record["started_from"] = start_model.training_record
        return result

    # -- the loop ---------------------------------------------------------------------------------------
    log_file = args.output_dir / "training_log.jsonl"
    kept = read_log(log_file, step) if checkpoint is not None else []
    validation_loss = next((entry["validation_loss"] for entry in kept[::-1] if "validation_loss" in entry), None)
    if accelerator.is_main_process:
        log_file.write_text("".join(json.dumps(entry) + "\n" for entry in kept))
    bar = tqdm(total=max_steps, initial=step, unit="step", dynamic_ncols=True, disable=not accelerator.is_main_process)
    tick = time.perf_counter()
    while step < max_steps:
        epoch = step // steps_per_epoch
        loader.set_epoch(epoch)
        dataset.set_epoch(epoch)  # with several processes accelerate leaves this out
        due = (step % steps_per_epoch) * args.gradient_accumulation_steps
        epoch_loader = accelerator.skip_first_batches(loader, due) if due else loader
        for batch in epoch_loader:
            with accelerator.accumulate(model):
                loss, terms = perceptual_loss(model(batch["ids"]), batch["photograph"], batch["ids"])
                accelerator.backward(loss)
                optimizer.step()
                optimizer.zero_grad()
            if not accelerator.sync_gradients:
                continue
            if not torch.isfinite(loss):
                raise RuntimeError(f"step {step + 1}: the loss is {loss.item()}; the last checkpoint is untouched.")
            scheduler.step()
            step += 1
            if ema is not None:
                ema.update_parameters(accelerator.unwrap_model(model))

            entry: dict[str, Any] = {"step": step, "loss": loss.item()} | {k: v.item() for k, v in terms.items()}
            entry |= {
                "learning_rate": scheduler.get_last_lr()[0],
                "images_per_second": images_per_step / (time.perf_counter() - tick),
            }
            if step % args.validation_steps == 0 or step == max_steps:
                entry["validation_loss"] = validation_loss = validate(current_model(), perceptual_loss, held_out_pairs)
                if accelerator.is_main_process:
                    save_picture(
                        sample_grid(current_model(), held_out_pairs[:GRID_ROWS]),
                        args.output_dir / f"grids/step-{step:06d}.png",
                    )
            if accelerator.is_main_process:
                with log_file.open("a") as log:
                    log.write(json.dumps(entry) + "\n")
            bar.update()
            shown = {layer: f"{value:.3f}" for layer, value in terms.items()}
            bar.set_postfix({"loss": f"{entry['loss']:.3f}", **shown, "img/s": f"{entry['images_per_second']:.2f}"})
            if step % args.checkpointing_steps == 0 and step < max_steps:
                save_checkpoint(
                    accelerator,
                    args,
                    finished_model(),
                    {
                        "step": step,
                        "seconds": seconds_before + time.time() - started,
                        "layer_weights": perceptual_loss.layer_weights.tolist(),
                        "run": run_facts,
                    },
                )
            tick = time.perf_counter()
            if step == max_steps:
                break
    bar.close()

    # -- the result -------------------------------------------------------------------------------------
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        result = finished_model()
        save_picture(sample_grid(result, held_out_pairs[:GRID_ROWS]), args.output_dir / "samples/held-out.png")
        result.save_pretrained(args.output_dir)
        if args.push_to_hub:
            print(result.push_to_hub(hub_id, folder=args.output_dir))
        print(f"the model is in {args.output_dir}")
    accelerator.end_training()


def choose_widths(args: Arguments, start_model: CRN | None) -> tuple[int, ...]:
    """The widths asked for, or those of the model to start from, or the table's; checked against the resolution."""
    base_height = start_model.base_size[0] if start_model else 4
    if args.widths is not None:
        widths = args.widths
    elif start_model is not None and start_model.size[0] == args.resolution:
        widths = start_model.widths
    elif args.resolution in DEFAULT_WIDTHS:
        # Modules to be grown have the table's widths; those that are there keep theirs.
        table = DEFAULT_WIDTHS[args.resolution]
        known = start_model.widths if start_model else ()
        widths = (*known, *table[len(known) :])
    else:
        raise ValueError(
            f"--resolution {args.resolution}: give --widths too, or one of {', '.join(map(str, DEFAULT_WIDTHS))}."
        )
    height = base_height * 2 ** (len(widths) - 1)
    if height != args.resolution:
        raise ValueError(
            f"{len(widths)} widths make images {height} pixels high, but --resolution is {args.resolution}; "
            f"right are {base_height} * 2 ** (number of modules - 1)."
        )
    return tuple(widths)


def find_checkpoint(args: Arguments) -> Path | None:
    """The checkpoint to resume from; refuses to start anew in a folder with checkpoints of an earlier run."""
    if args.output_dir.exists() and not args.output_dir.is_dir():
        raise FileExistsError(f"--output_dir {args.output_dir}: a file, not a folder.")
    there = checkpoints(args.output_dir)
    if args.resume_from_checkpoint is None:
        if (args.output_dir / "model.safetensors").exists() and not there:
            raise FileExistsError(f"{args.output_dir} holds a trained model: give another --output_dir.")
        if there:
            raise FileExistsError(
                f"{args.output_dir} holds {there[-1].name} of an earlier run: give --resume_from_checkpoint latest, "
                "or another --output_dir."
            )
        return None
    if args.resume_from_checkpoint == "latest":
        if not there:
            raise FileNotFoundError(f"{args.output_dir} holds no checkpoint to resume from.")
        return there[-1]
    checkpoint = Path(args.resume_from_checkpoint)
    if not (checkpoint / "progress.json").is_file():
        raise FileNotFoundError(f"{checkpoint} is no checkpoint of this script.")
    return checkpoint


def read_progress(checkpoint: Path, run_facts: dict[str, Any], max_steps: int) -> dict[str, Any]:
    """What a checkpoint says of its run; refused if that was another run than this."""
    try:
        progress: dict[str, Any] = json.loads((checkpoint / "progress.json").read_text())
        before = progress["run"]
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{checkpoint}: not a whole checkpoint of this script (progress.json: {error!r}).") from error
    if differing := [
        f"{key} was {before.get(key)}, now {now}" for key, now in run_facts.items() if before.get(key) != now
    ]:
        raise ValueError(f"{checkpoint} belongs to another run: {'; '.join(differing)}.")
    if progress["step"] > max_steps:
        raise ValueError(f"{checkpoint} is at step {progress['step']}, after the {max_steps} steps asked for.")
    return progress


def checkpoints(output_dir: Path) -> list[Path]:
    """All whole checkpoints of a folder, oldest first; each appeared by rename."""
    folders = [p for p in output_dir.glob("checkpoint-*") if p.name.removeprefix("checkpoint-").isdigit()]
    return sorted(folders, key=lambda p: int(p.name.removeprefix("checkpoint-")))


def save_checkpoint(accelerator: Accelerator, args: Arguments, model: CRN, progress: dict[str, Any]) -> None:
    """Writes checkpoint-{step} under another name, renames it, and only then removes the oldest."""
    draft = args.output_dir / ".checkpoint-draft"
    final = args.output_dir / f"checkpoint-{progress['step']}"
    if accelerator.is_main_process:
        for leftover in (draft, final):  # of a run that was killed here
            shutil.rmtree(leftover, ignore_errors=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(draft))
    if accelerator.is_main_process:
        model.save_pretrained(draft / "model")
        (draft / "progress.json").write_text(json.dumps(progress))
        draft.rename(final)
        if args.checkpoints_total_limit is not None:
            for old in checkpoints(args.output_dir)[: -args.checkpoints_total_limit]:
                shutil.rmtree(old)
    accelerator.wait_for_everyone()


def ema_update(averages: Tensors, weights: Tensors, count: Tensor | int) -> None:
    """averages += (1 - decay) * (weights - averages); the decay grows to EMA_DECAY so that early weights fade soon."""
    decay = min(EMA_DECAY, (1 + int(count)) / (10 + int(count)))
    torch._foreach_lerp_(averages, weights, 1 - decay)


def batch_of(pairs: list[dict[str, Tensor]], device: torch.device) -> tuple[Tensor, Tensor]:
    """ids (B, H, W) and photographs (B, 3, H, W) of some rows."""
    ids = torch.stack([pair["ids"] for pair in pairs]).to(device)
    return ids, torch.stack([pair["photograph"] for pair in pairs]).to(device)


@torch.no_grad()
def validate(model: CRN, loss: PerceptualLoss, pairs: list[dict[str, Tensor]]) -> float:
    """The mean loss over held-out rows."""
    device = next(model.parameters()).device
    losses = []
    for pair in pairs:
        ids, photographs = batch_of([pair], device)
        losses.append(loss(model(ids), photographs, ids)[0].item())
    return sum(losses) / len(losses)


@torch.no_grad()
def sample_grid(model: CRN, pairs: list[dict[str, Tensor]]) -> Image.Image:
    """One row per pair: layout | the k outputs | photograph."""
    device = next(model.parameters()).device
    tiles = []
    for pair in pairs:
        outputs = to_pixels(model(pair["ids"][None].to(device))[0])  # (K, H, W, 3)
        layout = model.classes.to_colors(pair["ids"].numpy())
        tiles += [
            torch.from_numpy(p.copy()).permute(2, 0, 1) for p in (layout, *outputs, to_pixels(pair["photograph"]))
        ]
    return to_pil_image(make_grid(tiles, nrow=model.num_images + 2, pad_value=255))


def spread(length: int, count: int) -> list[int]:
    """`count` indices spread evenly over 0..length-1, or all if there are fewer."""
    count = min(count, length)
    return [i * length // count for i in range(count)]


def read_log(file: Path, last_step: int) -> list[dict[str, Any]]:
    """The entries of a log up to `last_step`: steps after the checkpoint are run, and logged, again."""
    if not file.is_file():
        return []
    entries = []
    for line in file.read_text().splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            break  # the line that was being written when the run was killed
    return [entry for entry in entries if entry["step"] <= last_step]


def public(value: Any) -> Any:
    """A setting as it may be published in the training record: of a local file or folder only the name."""
    if isinstance(value, Path) or (isinstance(value, str) and Path(value).exists()):
        return Path(value).resolve().name
    return value


def hardware(accelerator: Accelerator) -> str:
    """What the run ran on, for the card."""
    if accelerator.device.type == "cuda":
        return f"{accelerator.num_processes} x {torch.cuda.get_device_name()}"
    return f"{accelerator.num_processes} process on {torch.get_num_threads()} threads, {platform.machine()} CPU"


def peak_memory() -> int:
    """Bytes: of the GPU where there is one, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    kilobytes_or_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes_or_bytes * (1 if platform.system() == "Darwin" else 1024)


if __name__ == "__main__":
    run(app)
