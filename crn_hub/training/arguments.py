"""The arguments of train_accelerate.py."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from crn_hub.data_options import DataOptions
from crn_hub.hub.source import short_name
from crn_hub.losses import BestImage
from crn_hub.losses.texture import TEXTURE_LAYERS
from crn_hub.vgg import LAYERS, Layer

# Settings that don't affect the result, and so may change without a message when a run is resumed.
FREE_SETTINGS = {
    "output_dir", "resume_from_checkpoint", "checkpointing_steps", "checkpoints_total_limit", "report_to",
    "push_to_hub", "hub_model_id", "dataloader_num_workers", "dry_run",
}  # fmt: skip

SystemName = Literal[
    "crn", "crn-textures", "image-space", "gan-segmentation", "pix2pix", "encoder-decoder", "full-resolution", "spade"
]
Positive = Parameter(validator=Number(gte=1))


@Parameter(name="*")
@dataclass(kw_only=True)
class Arguments(DataOptions):
    """The command line."""

    preset: Literal["paper-256p", "paper-512p", "paper-1024p"] | None = None
    """The paper's settings for a resolution; other arguments override them."""
    system: SystemName = "crn-textures"
    """What to train: the cascade with textures, the paper's own system (crn, and with a preset), or one to compare."""
    dataset_name: str | None = None
    """Hub id, folder or file of a data set (docs/data.md has all forms); procedural street scenes if left out."""
    train_split: str | None = None
    """Split to train on; by default train, or the only one."""
    validation_split: str | None = None
    """Split that is held out; by default the first of validation, valid, val, dev and test that has labels, else the
    last rows of the split to train on."""
    max_train_samples: Annotated[int | None, Positive] = None
    """Use at most this many rows of the data set, for trials."""
    dataloader_num_workers: Annotated[int, Parameter(validator=Number(gte=0))] = 0
    """Worker processes that prepare pairs; with 0, the training process prepares them itself."""
    random_flip: bool = False
    """Mirror every other pair."""
    color_jitter: Annotated[float, Parameter(validator=Number(gte=0, lt=1))] = 0.0
    """How far brightness, contrast and saturation vary; 0.1 is mild."""
    simplify_layouts: Annotated[float, Parameter(validator=Number(gte=0, lte=1))] = 0.0
    """Share of the layouts that are simplified, to look like what people paint."""
    output_dir: Path = Path("crn-out")
    """Folder for the trained model, its card, grids and checkpoints."""
    resolution: Annotated[tuple[int, ...] | None, Parameter(validator=Number(gte=1), consume_multiple=True)] = None
    """Height of the images in pixels, 64 by default, and their width, by default twice that. A cascade doubles both
    with each module, so they are multiples of a power of two, such as 256 320."""
    widths: Annotated[tuple[int, ...] | None, Parameter(consume_multiple=True)] = None
    """Channels of each module, coarse to fine; by default from a table by resolution. For other networks, one number:
    that of a U-Net's first level, of all layers of a full-resolution network, or of a SPADE generator's last block."""
    stages: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = ()
    """Train on small images first, then grow: heights, with steps if they differ, such as 64:1500 128:600 256:500."""
    num_images: Annotated[int | None, Positive] = None
    """k, different images per layout; by default that of --init_from, else 1."""
    init_from: str | None = None
    """Model to start from: a folder, a Hub id or "box"; a shorter cascade is grown, classes are matched by name."""
    train_modules: str = "all"
    """Modules to train: all, or last:N, which keeps the coarser ones as they are."""
    train_batch_size: Annotated[int, Positive] = 1
    """Images per step and process."""
    gradient_accumulation_steps: Annotated[int, Positive] = 1
    """Batches per optimiser step."""
    learning_rate: Annotated[float | None, Parameter(validator=Number(gt=0))] = None
    """Adam's learning rate; 3e-4 by default, 2e-4 with a discriminator. The paper's is 1e-4."""
    adam_beta1: Annotated[float | None, Parameter(validator=Number(gte=0, lt=1))] = None
    """Adam's beta1; 0.9 by default, 0.5 with a discriminator."""
    lr_scheduler: Literal["constant", "linear", "cosine"] = "cosine"
    """Whether, and how, the learning rate falls to 0 by the end of a stage."""
    max_grad_norm: Annotated[float | None, Parameter(validator=Number(gt=0))] = None
    """Clip the norm of the gradient to this."""
    max_train_steps: Annotated[int | None, Positive] = None
    """Optimiser steps of each stage; overrides --num_train_epochs."""
    num_train_epochs: Annotated[int | None, Positive] = None
    """Passes over the data in each stage; 200 by default (scenes: 1200 steps)."""
    seed: Annotated[int, Parameter(validator=Number(gte=0))] = 0
    """Seed of the initial weights, the order of rows and the augmentation."""
    use_ema: bool = False
    """Keep an exponential moving average of the weights, and save that."""
    segmenter: str | None = None
    """Folder or Hub id of the segmentation network for --system gan-segmentation; crn train-segmenter makes one."""
    perceptual_net: str = "vgg16"
    """vgg16 (in the box), vgg19, timm/vgg16.tv_in1k (from the Hub) or a safetensors file."""
    loss_layers: Annotated[tuple[Layer, ...], Parameter(consume_multiple=True)] = LAYERS
    """Layers of the feature network that the loss uses; all six by default, as in the paper."""
    texture_weight: Annotated[float, Parameter(validator=Number(gt=0))] = 1.25
    """Weight of the distance of textures beside the perceptual loss, whose terms are calibrated to 1 (crn-textures)."""
    texture_layers: Annotated[tuple[Layer, ...], Parameter(consume_multiple=True)] = TEXTURE_LAYERS
    """Layers of the feature network whose textures are compared (crn-textures)."""
    best_image: BestImage = "per_class"
    """With several images per layout, which of them counts: the best one for each class, or for all classes at once."""
    loss_window: Annotated[int | None, Positive] = None
    """Compute the loss on a random crop of each image, this many pixels high; by default on whole images."""
    loss_weights: Literal["calibrate", "cityscapes-256p", "cityscapes-512p", "cityscapes-1024p", "gta5-256p"] = (
        "calibrate"
    )
    """Measured so that all terms count equally, or those of a published checkpoint, which need its feature network."""
    calibration_step: Annotated[int | None, Parameter(validator=Number(gte=0))] = None
    """Measure the loss weights after this step of each stage; until then they are 1. By default, before the first."""
    calibration_epoch: Annotated[float | None, Parameter(validator=Number(gt=0))] = None
    """The same in epochs; 100 in the paper."""
    mixed_precision: Literal["no", "fp16", "bf16"] | None = None
    """For the trained networks; the loss stays in float32. By default as configured for accelerate, else no."""
    gradient_checkpointing: bool = False
    """Keep less of each part of the network for the gradient and recompute it: less memory, more time."""
    loss_image_by_image: bool = False
    """With several images per layout, keep the features of one at a time: less memory, more time."""
    channels_last: bool = False
    """Store tensors with channels last: meant for GPUs with mixed precision, no gain on CPUs."""
    torch_compile: bool = False
    """Compile network and features: a slow start, meant for GPUs, no gain on CPUs."""
    allow_tf32: bool = False
    """Multiply float32 in TensorFloat-32, with fewer digits, on NVIDIA GPUs that can: faster."""
    checkpointing_steps: Annotated[int, Positive] = 500
    """Steps between checkpoints."""
    checkpoints_total_limit: Annotated[int | None, Positive] = 2
    """How many checkpoints to keep."""
    resume_from_checkpoint: str | None = None
    """A checkpoint's folder, or "latest": the last one in the output folder; if there is none yet, the run starts."""
    validation_steps: Annotated[int, Positive] = 250
    """Steps between grids and validation losses on held-out rows."""
    report_to: Annotated[tuple[Literal["tensorboard", "trackio", "wandb"], ...], Parameter(consume_multiple=True)] = ()
    """Trackers that get numbers and grids as well."""
    push_to_hub: bool = False
    """Upload the result."""
    hub_model_id: str | None = None
    """organisation/name on the Hub; the output folder's name by default."""
    dry_run: bool = False
    """Try everything with two steps of each stage, leave nothing behind, and report what the run will cost."""


def public(value: Any) -> Any:
    """A setting as it may be published in the training record: for a local file or folder, only its name."""
    if isinstance(value, Path):
        return value.resolve().name
    if isinstance(value, str):
        return short_name(value)
    return list(value) if isinstance(value, tuple) else value
