"""What identifies a run, and the checkpoint that it continues from."""

import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from crn_hub.hub.model_folder import TRAINING_RECORD, read_object
from crn_hub.losses import Loss
from crn_hub.training.arguments import FREE_SETTINGS, Arguments, public
from crn_hub.training.checkpoints import OtherVersionError, Progress, read_progress
from crn_hub.training.rows import TrainingRows
from crn_hub.training.stages import Stage, StagePlan, resolution_of
from crn_hub.training.systems import PERCEPTUAL, SYSTEMS, TEXTURE, complete


@dataclass(frozen=True)
class Resumption:
    """A checkpoint that a run continues from, and how far the run had come by then."""

    checkpoint: Path
    progress: Progress


def find_resumption(
    checkpoint: Path,
    facts: dict[str, Any],
    settings: dict[str, Any],
    stages: Sequence[Stage],
    finished: bool,
    accelerator: Accelerator,
) -> Resumption | None:
    """Reads the checkpoint that a run continues from; prints which settings have changed.

    Args:
        checkpoint: the one asked for.
        facts, settings, stages: of the run as it is now.
        finished: whether the run has finished. Then its checkpoint is not needed, and may be of another version.
        accelerator: of the run.

    Raises:
        ValueError: if the checkpoint cannot be read, or belongs to another run.
    """
    try:
        progress = read_progress(checkpoint, facts)
    except OtherVersionError:
        if finished:
            return None
        raise
    _check_stage(checkpoint, progress, stages)
    _report_changes(settings, progress["settings"], accelerator)
    return Resumption(checkpoint, progress)


def settings_of(args: Arguments, accelerator: Accelerator) -> dict[str, Any]:
    """The command line as the training record has it, without arguments of losses with features that aren't used."""
    foreign = {*PERCEPTUAL.arguments, *TEXTURE.arguments} - {*SYSTEMS[args.system].loss.arguments}
    settings = {name: public(value) for name, value in asdict(args).items() if name not in foreign}
    return settings | {
        "mixed_precision": accelerator.mixed_precision,
        "num_processes": accelerator.num_processes,
    }


def facts_of(
    args: Arguments, rows: TrainingRows, left_out: int, plans: Sequence[StagePlan], num_images: int, loss: Loss
) -> dict[str, Any]:
    """What must not change when the run is resumed."""
    first_pairs = [*rows.data.decode(rows.data.used[0]), *rows.held_out.decode(rows.held_out.used[0])]
    return {
        "system": args.system,
        "rows": rows.count,
        "rows_left_out": left_out,
        "checksum_of_two_rows": zlib.crc32(b"".join(array.tobytes() for array in first_pairs)),
        "classes": list(rows.classes.names),
        "labels": rows.data.labels.facts or None,
        "heights": [plan.size[0] for plan in plans],
        "widths": list(plans[-1].widths),
        "size": list(plans[-1].size),
        "num_images": num_images,
        **loss.facts,
        "perceptual_net": public(args.perceptual_net),
        "loss_layers": list(args.loss_layers),
        "use_ema": args.use_ema,
        "train_modules": args.train_modules,
        "seed": args.seed,
    }


def _check_stage(checkpoint: Path, progress: Progress, stages: Sequence[Stage]) -> None:
    """
    Raises:
        ValueError: if the stages have other lengths now, which the checkpoint doesn't fit.
    """
    stage = stages[progress["stage"]]
    if progress["first_step"] != stage.first_step:
        raise ValueError(
            f"{checkpoint}: stages before {stage.height}p had {progress['first_step']} steps, now {stage.first_step}."
        )
    if progress["step"] > stage.last_step:
        done, asked = progress["step"] - stage.first_step, stage.last_step - stage.first_step
        raise ValueError(f"{checkpoint} is at step {done}, beyond the {asked} steps of its stage.")


def _report_changes(now: dict[str, Any], then: dict[str, Any], accelerator: Accelerator) -> None:
    changed = [
        f"{name} {then.get(name)} -> {value}"
        for name, value in now.items()
        if name not in FREE_SETTINGS and then.get(name) != value
    ]
    if changed:
        accelerator.print(f"settings that have changed: {', '.join(changed)}")


def has_finished(output_dir: Path, settings: dict[str, Any], last: Stage) -> bool:
    """Whether a folder holds the model of a run with these settings; training.json is the last file that it writes."""
    try:
        record = read_object(output_dir / TRAINING_RECORD, str(output_dir))
        steps, recorded = record["result"]["steps"], dict(record["settings"])
    except (ValueError, KeyError, TypeError):
        return False
    # An argument that did not exist when the run was recorded had its default value.
    then = {name: public(value) for name, value in asdict(complete(Arguments())).items()} | recorded
    of_stage = {"resolution", "widths", "num_images"}  # the record has those of the last stage
    same = all(then.get(name) == value for name, value in settings.items() if name not in FREE_SETTINGS | of_stage)
    same = same and then.get("resolution") == resolution_of(last.size)
    return same and steps == last.last_step - last.first_step
