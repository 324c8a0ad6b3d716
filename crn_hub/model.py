"""The cascaded refinement network (Chen and Koltun, ICCV 2017, section 3) and its life on the Hub.

Details that the paper leaves open follow the authors' published TensorFlow code, because its checkpoints are
what people have: order of concatenation, aligned corners, area averaging, order of the output channels.
"""

import json
import os
import reprlib
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    ModelInfo,
    hf_hub_download,
    is_offline_mode,
)
from huggingface_hub.errors import RevisionNotFoundError
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from crn_hub.card import SWATCHES, is_unedited, write_card, write_swatches
from crn_hub.classes import UNLABELLED, ClassSet, Layout, LayoutWarning, read_layout
from crn_hub.hub import TEXT_BYTES, Source, check_repo_id, pushing
from crn_hub.synthesis import synthesize
from crn_hub.text import clause, some

CONFIG, WEIGHTS, CARD, TRAINING_RECORD = "config.json", "model.safetensors", "README.md", "training.json"
CONFIG_FIELDS, CLASS_FIELDS = {"classes", "widths", "base_size", "num_images"}, {"id", "name", "color", "aliases"}
MODEL_IN_THE_BOX = Path(__file__).parent / "pretrained" / "crn-camvid-256p"

# About 15 GFLOP for one 256 x 512 image with CamVid's classes: arithmetic goes with the number of pixels, parameters
# don't, so capacity sits in the coarse modules.
DEMO_WIDTHS = (320, 320, 256, 176, 88, 40, 16)

# How far the k images differ at the start, as a share of what chance would make of it. Of images that have nothing in
# common one wins everywhere at first, and the others stay noise (benchmarks/model_in_the_box).
IMAGE_SPREAD = 0.1

# What a network may ask for, so that nobody's config.json takes the machine down. The paper's largest has 2^21 pixels,
# takes 148 channels at once at that size (2^28.2 numbers), and has 2^26.6 parameters.
MAX_PIXELS, MAX_FEATURES, MAX_PARAMETERS = 2**26, 2**29, 2**31


class RefinementModule(nn.Module):
    """Two times {3x3 convolution, layer normalisation, leaky ReLU}; resolution stays (section 3, figure 2).

    Layer normalisation is over (C, H, W) of each sample with a scale and a shift per channel: group normalisation
    with one group. It follows the convolutions directly, so these carry no bias.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(1, out_channels, eps=1e-12)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(1, out_channels, eps=1e-12)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        x = F.leaky_relu(self.norm1(self.conv1(x)), 0.2)
        return F.leaky_relu(self.norm2(self.conv2(x)), 0.2)


@dataclass(frozen=True)
class WeightsFile:
    """The file that weights came from."""

    types: tuple[str, ...]  # of the tensors, in safetensors' words: "F16", "F32", ...
    size: int  # bytes


class CRN(nn.Module):
    """Cascaded refinement network: a semantic layout in, `num_images` photographs of it out.

    Args:
        classes: what the ids of a layout mean; the input has one channel per class and one for unlabelled.
        widths: channels of each refinement module, coarse to fine. The paper's 256p network has
            (1024,) * 5 + (512, 512), with (128,) and (128, 32) more for 512p and 1024p.
        base_size: (height, width) of the first module in pixels; each further module doubles it, so the output
            has base_size * 2 ** (len(widths) - 1).
        num_images: k, how many different photographs the network gives at once (section 3.3).

    Raises:
        ValueError: for widths, sizes or numbers that make no network, or one beyond `MAX_PIXELS` of an image,
            `MAX_FEATURES` into or out of a layer or `MAX_PARAMETERS`; before memory is taken.
    """

    def __init__(
        self,
        classes: ClassSet,
        widths: Sequence[int] = DEMO_WIDTHS,
        base_size: Sequence[int] = (4, 8),
        num_images: int = 1,
    ):
        super().__init__()
        if not isinstance(classes, ClassSet):
            raise ValueError(f"classes must be a ClassSet, not {type(classes).__name__}.")
        self.classes = classes
        self.widths = _whole_numbers("widths", widths, 1, 8192)
        self.base_size = _whole_numbers("base_size", base_size, 1, 4096)
        (self.num_images,) = _whole_numbers("num_images", [num_images], 1, 256)
        if not 1 <= len(self.widths) <= 12:
            raise ValueError(f"widths must name 1 to 12 modules, not {len(self.widths)}.")
        if len(self.base_size) != 2:
            raise ValueError(f"base_size must be (height, width), not {list(base_size)}.")
        self._check_bounds()
        # Settings, calibrated loss weights and cost of the training that made these weights; {} if unknown.
        self.training_record: dict[str, Any] = {}
        # In training, keep only what passes between modules and compute the rest again: less memory, more time.
        self.gradient_checkpointing = False
        self.loaded_from: WeightsFile | None = None  # set by `from_pretrained`

        layout_channels = len(classes) + 1
        before = (0, *self.widths[:-1])
        self.stages = nn.ModuleList(
            RefinementModule(feature_channels + layout_channels, width)
            for feature_channels, width in zip(before, self.widths, strict=True)
        )
        self.to_images = nn.Conv2d(self.widths[-1], 3 * self.num_images, 1)
        with torch.no_grad():
            for parameter in self.to_images.parameters():
                images = parameter.unflatten(0, (3, self.num_images))
                images.lerp_(images[:, :1].clone().expand_as(images), 1 - IMAGE_SPREAD)

    def _check_bounds(self) -> None:
        height, width = self.size
        if height * width > MAX_PIXELS:
            raise ValueError(
                f"base_size {list(self.base_size)} and {len(self.widths)} modules give images of {height} x {width} = "
                f"{height * width:,} pixels; at most {MAX_PIXELS:,} are allowed."
            )
        inputs, parameters = len(self.classes) + 1, 0
        for index, (before, channels) in enumerate(zip((0, *self.widths[:-1]), self.widths, strict=True)):
            self._check_features(f"widths[{index}] = {channels} gives", channels, index)
            self._check_features(
                f"{before} channels of the module before and {inputs} of the layout give", before + inputs, index
            )
            parameters += 9 * (before + inputs + channels) * channels + 4 * channels
        self._check_features(f"num_images = {self.num_images} gives", 3 * self.num_images, len(self.widths) - 1)
        parameters += (self.widths[-1] + 1) * 3 * self.num_images
        if parameters > MAX_PARAMETERS:
            raise ValueError(
                f"widths {list(self.widths)} give {parameters:,} parameters; at most {MAX_PARAMETERS:,} are allowed."
            )

    def _check_features(self, what: str, channels: int, module: int) -> None:
        height, width = self.base_size[0] * 2**module, self.base_size[1] * 2**module
        if (features := channels * height * width) > MAX_FEATURES:
            raise ValueError(
                f"{what} {features:,} features at {height} x {width} pixels; at most {MAX_FEATURES:,} are allowed."
            )

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the layouts that go in and the images that come out, in pixels."""
        doublings = 2 ** (len(self.widths) - 1)
        return self.base_size[0] * doublings, self.base_size[1] * doublings

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (B, H, W), integer, 0..n-1 or 255 -> images (B, K, 3, H, W), float, linear, nominally -1..1.

        Raises:
            ValueError: if shape, type or an id doesn't fit this network.
        """
        # (code) one-hot at full size, then repeated halving by averages: coarse layouts are soft.
        layouts = [self._one_hot(ids)]  # (B, n + 1, H, W), then each half the size
        for _ in self.widths[1:]:
            layouts.append(F.avg_pool2d(layouts[-1], 2))
        layouts.reverse()

        features: Tensor | None = None
        for stage, layout in zip(self.stages, layouts, strict=True):
            if self.gradient_checkpointing and torch.is_grad_enabled():
                features = checkpoint(_refine, stage, features, layout, use_reentrant=False, preserve_rng_state=False)
            else:
                features = _refine(stage, features, layout)
        images = self.to_images(features)  # (B, 3K, H, W); (code) image u has the channels u, u + K, u + 2K
        return images.unflatten(1, (3, self.num_images)).transpose(1, 2)

    def train_only_last(self, modules: int) -> None:
        """Freezes all but the last `modules` refinement modules and the output layer (the paper's 1024p: 2).

        Raises:
            ValueError: if there are not so many modules.
        """
        if not 1 <= modules <= len(self.widths):
            raise ValueError(f"the last {modules} modules cannot be trained: this network has {len(self.widths)}.")
        self.stages[: len(self.widths) - modules].requires_grad_(False)

    def _one_hot(self, ids: Tensor) -> Tensor:
        if ids.ndim != 3 or tuple(ids.shape[1:]) != self.size:
            raise ValueError(
                f"ids must have the shape (batch, {self.size[0]}, {self.size[1]}), not {tuple(ids.shape)}."
            )
        if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
            raise ValueError(f"ids must be of an integer type, not {ids.dtype}.")
        ids = ids.long()
        n = len(self.classes)
        outside = (ids < 0) | ((ids >= n) & (ids != UNLABELLED))
        if outside.any():
            values = ids[outside].unique().tolist()
            raise ValueError(f"ids {values[:5]} are outside 0..{n - 1} and not {UNLABELLED} (unlabelled).")
        channel = ids.masked_fill(ids == UNLABELLED, n)[:, None]
        layout = torch.zeros(len(ids), n + 1, *self.size, dtype=self.to_images.weight.dtype, device=ids.device)
        return layout.scatter_(1, channel, 1.0)

    def synthesize(
        self, layout: Layout, num_images: int | None = None, size: tuple[int, int] | None = None
    ) -> list[Image.Image]:
        """Photographs of one layout; the same layout always gives the same photographs.

        Args:
            layout: path, PIL image or array; see `classes.read_layout` for what is understood. What it translates
                or counts as unlabelled is told in a `LayoutWarning`.
            num_images: how many of the K images, 1..K; all of them by default.
            size: (height, width) of the photographs in pixels; the layout's own size by default.

        Returns:
            RGB images.

        Raises:
            LayoutError: if the layout cannot be read with this model's classes.
            ValueError: if `num_images` or `size` is out of range.
        """
        if num_images is not None and not (isinstance(num_images, int) and 1 <= num_images <= self.num_images):
            raise ValueError(f"num_images must be 1..{self.num_images} for this model, not {num_images}.")
        reading = read_layout(layout, self.classes)
        for note in reading.notes:
            warnings.warn(note, LayoutWarning, stacklevel=2)
        return synthesize(self, reading.ids, num_images or self.num_images, self.size, size)

    @torch.no_grad()
    def grow_from(self, other: "CRN") -> int:
        """Takes over the weights of a cascade that is equal or shorter (section 4: 256p to 512p to 1024p).

        The class sets may differ: what reads a class keeps its weights where `other` has that class by name or alias.
        The new modules and what reads other classes keep their fresh weights, and so does the output layer unless both
        networks end alike; if `other` makes one image, each of the k here starts near that.

        Returns:
            How many modules were taken over.

        Raises:
            ValueError: if base size or the widths of the common modules differ.
        """
        common = len(other.widths)
        if other.base_size != self.base_size:
            raise ValueError(f"cannot start from base size {other.base_size}; this network has {self.base_size}.")
        if other.widths != self.widths[:common]:
            raise ValueError(
                f"cannot grow widths {list(other.widths)} into {list(self.widths)}: not a beginning of it."
            )
        source = self.classes.translation_to(other.classes)[: len(self.classes)]  # the id there of each class here
        here = torch.from_numpy(np.flatnonzero(source != UNLABELLED))
        there = torch.from_numpy(source[source != UNLABELLED].astype(np.int64))
        for before, stage, start in zip((0, *self.widths), self.stages[:common], other.stages, strict=False):
            state = start.state_dict()
            kernel = stage.get_parameter("conv1.weight").clone()  # (C, before + classes + unlabelled, 3, 3)
            kernel[:, :before] = state["conv1.weight"][:, :before]
            kernel[:, before + here] = state["conv1.weight"][:, before + there]
            kernel[:, -1] = state["conv1.weight"][:, -1]
            stage.load_state_dict({**state, "conv1.weight": kernel})
        if common == len(self.widths) and other.num_images == self.num_images:
            self.to_images.load_state_dict(other.to_images.state_dict())
        elif common == len(self.widths) and other.num_images == 1:
            with torch.no_grad():
                for parameter, theirs in zip(self.to_images.parameters(), other.to_images.parameters(), strict=True):
                    images = parameter.unflatten(0, (3, self.num_images))
                    images.add_(theirs[:, None] - images[:, :1])  # how they differ from one another stays
        return common

    # -- the Hub -------------------------------------------------------------------------------------

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str] | None = None,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        map_location: str | torch.device = "cpu",
        max_parameters: int = MAX_PARAMETERS,
    ) -> "CRN":
        """Loads a model from a local folder or the Hub; without a name, the one that comes with the package.

        All files come from one revision. Only safetensors are read, and every tensor must be there with its shape:
        nothing stays random. Before memory is taken, config.json is checked against the bounds of `CRN`, and the
        weights' size and header against config.json.

        Args:
            pretrained_model_name_or_path: a folder or a Hub id.
            revision, token, cache_dir, force_download, local_files_only: as in `huggingface_hub.hf_hub_download`.
            map_location: the device for the model.
            max_parameters: refuse larger models before their weights are fetched.

        Raises:
            FileNotFoundError: no such folder or Hub repo, or it lacks config.json or model.safetensors.
            ConnectionError: the Hub could not be reached or refused.
            ValueError: config.json or the tensors make no CRN, or there is no such device; the message names what is
                wrong.
        """
        _check_device(map_location)
        name = str(MODEL_IN_THE_BOX if pretrained_model_name_or_path is None else pretrained_model_name_or_path)
        with Source(
            name,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
        ) as source:
            config = _read_object(source.fetch(CONFIG, TEXT_BYTES), name)
            try:
                if unknown := sorted(set(config) - CONFIG_FIELDS):
                    raise ValueError(f"unknown fields {some(unknown)}, of another kind of model or a newer crn_hub")
                if missing := sorted(CONFIG_FIELDS - set(config)):
                    raise ValueError(f"the fields {', '.join(missing)} are missing")
                classes = ClassSet.from_list(config["classes"])
                if unknown := sorted({field for row in config["classes"] for field in row} - CLASS_FIELDS):
                    raise ValueError(f"unknown fields {some(unknown)} in classes")
                with torch.device("meta"):  # no memory is taken before the tensors' shapes have been compared
                    model = cls(**{**config, "classes": classes})
            except (ValueError, TypeError, RecursionError) as error:
                raise ValueError(f"{name}: {CONFIG} makes no CRN: {clause(error)}.") from error
            if model.num_parameters > max_parameters:
                raise ValueError(
                    f"{name}: {model.num_parameters:,} parameters are more than the {max_parameters:,} allowed here."
                )
            # Numbers of 8 bytes at most, and a header.
            model._load_weights(source.fetch(WEIGHTS, 8 * model.num_parameters + 2**20), name)
            try:
                record = source.fetch(TRAINING_RECORD, TEXT_BYTES)
            except FileNotFoundError:
                pass  # a model need not say how it was trained
            except ConnectionError:
                if not (local_files_only or is_offline_mode()):  # offline, what the cache lacks counts as not there
                    raise
            else:
                model.training_record = _read_object(record, name)
        return model.to(map_location).eval()

    def _load_weights(self, file: Path, name: str) -> None:
        expected = self.state_dict()
        problems = []
        try:
            with safe_open(file, framework="pt") as stored:
                found = {key: stored.get_slice(key) for key in stored.keys()}  # noqa: SIM118 - it is no dict
                if missing := [key for key in expected if key not in found]:
                    problems.append(f"missing {some(missing)}")
                if unexpected := [key for key in found if key not in expected]:
                    problems.append(f"unexpected {some(unexpected)}")
                known = {key: header for key, header in found.items() if key in expected}
                if wrong := [
                    f"{key} {header.get_shape()} instead of {list(expected[key].shape)}"
                    for key, header in known.items()
                    if header.get_shape() != list(expected[key].shape)
                ]:
                    problems.append(f"wrong shape {some(wrong)}")
                if wrong := [
                    f"{key} {header.get_dtype()}"
                    for key, header in known.items()
                    if header.get_dtype() not in ("F16", "BF16", "F32", "F64")
                ]:
                    problems.append(f"not floating point {some(wrong)}")
                if not problems:
                    # Copies, because what safetensors gives is the file itself: its changes would be the model's.
                    tensors = {key: stored.get_tensor(key).to(torch.float32, copy=True) for key in expected}
                    if broken := [key for key, tensor in tensors.items() if not tensor.isfinite().all()]:
                        problems.append(f"not finite numbers in {some(broken)}")
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{name}: {WEIGHTS} is not a readable safetensors file ({clause(error)}).") from error
        if problems:
            raise ValueError(f"{name}: the tensors of {WEIGHTS} don't fit {CONFIG}: {'; '.join(problems)}.")
        self.load_state_dict(tensors, assign=True)
        types = {header.get_dtype() for header in found.values()}
        self.loaded_from = WeightsFile(tuple(sorted(types)), file.stat().st_size)

    def save_pretrained(self, save_directory: str | os.PathLike[str], *, repo_id: str | None = None) -> None:
        """Writes config.json, model.safetensors, training.json (if known) and README.md, unless people edited that.

        The card shows the pictures in the folder's `samples` and the class colours, which are written to `swatches`;
        if `repo_id`, a name on the Hub, is given, its examples load the model by that name.

        Each file is written under another name and renamed, so none is ever half written.

        Raises:
            FileExistsError: a file is where the folder should be.
            OSError: the folder cannot be written.
            TypeError: `training_record` holds what JSON cannot.
        """
        self._save(Path(save_directory), repo_id, with_weights=True)

    def save_card(self, save_directory: str | os.PathLike[str]) -> None:
        """Writes what describes the model into a folder where it is saved already: as `save_pretrained`, but the
        weights stay as they are.

        Raises:
            FileExistsError, OSError, TypeError: as `save_pretrained`.
        """
        self._save(Path(save_directory), None, with_weights=False)

    def _save(self, folder: Path, repo_id: str | None, with_weights: bool) -> None:
        if blocking := [path for path in (folder, *folder.parents) if os.path.lexists(path) and not path.is_dir()]:
            raise FileExistsError(f"{blocking[0]}: a file, where a folder is needed to save the model.")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".saving-") as temporary:
            draft = Path(temporary)
            if with_weights:
                tensors = {k: v.contiguous().cpu() for k, v in self.state_dict().items()}
                save_file(tensors, draft / WEIGHTS, {"format": "pt"})
            (draft / CONFIG).write_text(json.dumps(self._config(), indent=2), encoding="utf-8")
            if self.training_record:
                (draft / TRAINING_RECORD).write_text(json.dumps(self.training_record, indent=2), encoding="utf-8")
            else:
                (folder / TRAINING_RECORD).unlink(missing_ok=True)  # another model's
            write_swatches(draft, self.classes)
            if not (folder / CARD).exists() or is_unedited(folder / CARD):
                write_card(
                    draft / CARD,
                    classes=self.classes,
                    widths=self.widths,
                    base_size=self.base_size,
                    num_images=self.num_images,
                    num_parameters=self.num_parameters,
                    gflop=self.gflop,
                    record=self.training_record,
                    samples=[f"samples/{file.name}" for file in _pictures(folder / "samples")],
                    repo_id=repo_id,
                )
                for swatch in folder.glob(SWATCHES):  # an edited card may still show other colours
                    if not (draft / "swatches" / swatch.name).exists():
                        swatch.unlink()
            for file in sorted(path for path in draft.rglob("*") if path.is_file()):
                target = folder / file.relative_to(draft)
                target.parent.mkdir(exist_ok=True)
                os.chmod(file, 0o644)
                os.replace(file, target)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        folder: str | os.PathLike[str] | None = None,
        private: bool | None = None,
        token: str | None = None,
        commit_message: str = "Upload CRN",
        revision: str | None = None,
    ) -> str:
        """Uploads the model in one commit, to a repo and a branch that are made if need be.

        What goes is what `save_pretrained` writes; with `folder` also its README.md if people edited it, then with
        the pictures in `swatches`, and the pictures in `samples`. Nothing else that lies there goes along.

        A card that people have edited on the Hub stays. A failure leaves what the revision was; a repo or branch that
        has been made for the push then holds nothing of the model.

        Args:
            repo_id: "organisation/name", or "name" for a repo of one's own.
            folder: a folder in which this model has been saved, for its card and samples.
            private: whether a new repo is private.
            token: of the Hub; by default the one that `hf auth login` keeps.
            commit_message: the title of the commit.
            revision: the branch, "main" by default; a new one starts from "main".

        Returns:
            The address of the commit.

        Raises:
            ValueError: the id is none, the commit has no title, the repo is public where a private one is asked for,
                or the Hub refuses the card.
            FileNotFoundError: `folder` is none.
            ConnectionError: the Hub could not be reached or refused, or the repo was changed during the push.
        """
        check_repo_id(repo_id)
        if not commit_message:
            raise ValueError("commit_message is empty; give the commit a title.")
        if folder is not None and not os.path.isdir(folder):
            raise FileNotFoundError(f"{folder}: no such folder; it should be one in which the model has been saved.")
        api, failure = HfApi(token=token), f"{repo_id}: could not be pushed"
        with tempfile.TemporaryDirectory() as temporary:
            draft = Path(temporary)
            if folder is not None:
                _copy_card_and_samples(Path(folder), draft)
            with pushing(failure):
                repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
                repo = api.model_info(repo_id)
            if private and repo.private is False:
                raise ValueError(f"{repo_id}: cannot be pushed as private: the repo is there already and public.")
            with pushing(failure):
                if revision is not None:
                    repo = _find_or_make_branch(api, repo_id, revision)
                there = {file.rfilename for file in repo.siblings or ()}
                keeps_card = CARD in there and not is_unedited(
                    Path(hf_hub_download(repo_id, CARD, revision=repo.sha, token=token))
                )
            self.save_pretrained(draft, repo_id=repo_id)
            files = {path.relative_to(draft).as_posix(): path for path in draft.rglob("*") if path.is_file()}
            outdated = [TRAINING_RECORD]  # an earlier model's, unless this one brings its own
            if keeps_card:
                del files[CARD]
            elif is_unedited(draft / CARD):  # an edited card may show other colours
                outdated.append(SWATCHES)
            gone = [f for f in there - set(files) if any(fnmatchcase(f, pattern) for pattern in outdated)]
            with pushing(failure):
                # Not upload_folder, which may take several commits. With a parent, a commit that somebody makes
                # meanwhile, and with it an edited card, is not written over: the Hub refuses.
                commit = api.create_commit(
                    repo_id,
                    [
                        *(CommitOperationDelete(file) for file in sorted(gone)),
                        *(CommitOperationAdd(file, files[file]) for file in sorted(files)),
                    ],
                    commit_message=commit_message,
                    revision=revision,
                    parent_commit=repo.sha,
                )
        return str(commit)

    def _config(self) -> dict[str, Any]:
        return {
            "classes": self.classes.to_list(),
            "widths": list(self.widths),
            "base_size": list(self.base_size),
            "num_images": self.num_images,
        }

    @property
    def num_parameters(self) -> int:
        """How many numbers the weights are."""
        return sum(p.numel() for p in self.parameters())

    @property
    def gflop(self) -> float:
        """Arithmetic for one layout and all its K images, in 10^9 floating-point operations.

        Counted are the convolutions, 2 operations per multiply-add: every weight is used once per pixel. All else
        (normalisation, resizing) is left out.
        """
        flop = 2 * self.to_images.weight.numel() * self.size[0] * self.size[1]
        for index, stage in enumerate(self.stages):
            kernels = sum(p.numel() for p in stage.parameters() if p.ndim == 4)
            flop += 2 * kernels * self.base_size[0] * self.base_size[1] * 4**index
        return flop / 1e9


def _refine(stage: nn.Module, features: Tensor | None, layout: Tensor) -> Tensor:
    """One step of the cascade: features (B, C, h, w) of the module before, if any, and layout (B, n + 1, 2h, 2w)."""
    if features is None:
        return stage(layout)
    features = F.interpolate(features, layout.shape[-2:], mode="bilinear", align_corners=True)
    return stage(torch.cat([features, layout.to(features.dtype)], dim=1))


def _check_device(map_location: str | torch.device) -> None:
    try:
        torch.empty(0, device=map_location)
    except (RuntimeError, AssertionError, TypeError) as error:  # AssertionError: of a PyTorch without CUDA
        raise ValueError(
            f"map_location must be a device that PyTorch finds here, such as 'cpu' or 'cuda', not {map_location!r}."
        ) from error


def _pictures(folder: Path) -> list[Path]:
    """The PNG files of a folder, by name."""
    return sorted(file for file in folder.glob("[!.]*.png") if file.is_file())


def _copy_card_and_samples(folder: Path, draft: Path) -> None:
    """Takes from a model folder what saving the model anew would not bring."""
    pictures = _pictures(folder / "samples")
    if (folder / CARD).is_file() and not is_unedited(folder / CARD):
        shutil.copyfile(folder / CARD, draft / CARD)
        pictures += _pictures(folder / "swatches")  # an edited card may show other colours
    for picture in pictures:
        (draft / picture.parent.name).mkdir(exist_ok=True)
        shutil.copyfile(picture, draft / picture.parent.name / picture.name)


def _find_or_make_branch(api: HfApi, repo_id: str, branch: str) -> ModelInfo:
    try:
        return api.model_info(repo_id, revision=branch)
    except RevisionNotFoundError:
        api.create_branch(repo_id, branch=branch, exist_ok=True)
        return api.model_info(repo_id, revision=branch)


def _read_object(file: Path, name: str) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise ValueError(f"{name}: {file.name} is not readable JSON ({clause(error)}).") from error
    if not isinstance(content, dict):
        raise ValueError(f"{name}: {file.name} is not a JSON object but {type(content).__name__}.")
    return content


def _whole_numbers(what: str, values: Any, low: int, high: int) -> tuple[int, ...]:
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise ValueError(f"{what} must be a list of whole numbers, not {reprlib.repr(values)}.")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"{what} must be whole numbers {low}..{high}, not {reprlib.repr(value)}.")
    return tuple(values)
