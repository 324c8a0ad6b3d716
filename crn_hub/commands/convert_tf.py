"""`crn convert-tf`: a checkpoint of the published TensorFlow code -> a model folder."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from crn_hub.files import check_new_folder


def convert_tf(
    checkpoint: Annotated[Path, Parameter(name="CHECKPOINT_PREFIX")],
    output: Path,
    /,
    *,
    classes: str | None = None,
) -> None:
    """Turn a checkpoint of the published TensorFlow code into a model folder; TensorFlow is not needed.

    Example: crn convert-tf result_256p/model.ckpt crn-cityscapes-256p

    The name, shape and checksum of every tensor are checked before anything is written to OUTPUT, which appears whole
    or not at all.

    Parameters
    ----------
    checkpoint
        The common beginning of the checkpoint's files, PREFIX.index and PREFIX.data-00000-of-00001; one of these
        files; or the folder with them.
    output
        The folder for the model; it must be new or empty.
    classes
        The classes of the input channels: cityscapes, camvid, streets or a classes.json. By default Cityscapes for
        networks with 20 channels; required for others.
    """
    from crn_hub.classes import ClassSet  # takes seconds, and --help doesn't need it
    from crn_hub.tf_checkpoint import convert, plan_conversion

    check_new_folder("", output, "the model")
    plan = plan_conversion(checkpoint)
    network = convert(plan, None if classes is None else ClassSet.load(classes))
    network.save_pretrained(output)
    widths = ", ".join(map(str, plan.widths))
    print(
        f"{len(plan.widths)} modules of {widths} channels, {plan.num_parameters:,} parameters, "
        f"{len(network.classes)} classes, images per layout: {plan.num_images}"
    )
    print(output)
