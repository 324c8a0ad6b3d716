"""What every network here can do: take layouts, give photographs, and live on the Hub."""

import json
import os
import reprlib
import shutil
import tempfile
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
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

from crn_hub.box import MODEL_IN_THE_BOX
from crn_hub.classes import UNLABELLED, ClassSet, Layout, LayoutWarning, read_layout
from crn_hub.hub.card import SWATCHES, is_unedited, write_card, write_swatches
from crn_hub.hub.source import TEXT_BYTES, Source, check_repo_id, pushing
from crn_hub.networks.bounds import MAX_PARAMETERS, whole_numbers
from crn_hub.networks.one_hot import one_hot
from crn_hub.synthesis import photographs_of
from crn_hub.text import clause, some

CONFIG, WEIGHTS, CARD, TRAINING_RECORD = "config.json", "model.safetensors", "README.md", "training.json"
CLASS_FIELDS = {"id", "name", "color", "aliases"}

# How far the k images differ at the start, as a share of what chance would make of it. Of images that have nothing in
# common one wins everywhere at first, and the others stay noise (benchmarks/model_in_the_box).
IMAGE_SPREAD = 0.1

Model = TypeVar("Model", bound="HubModel")


@dataclass(frozen=True)
class WeightsFile:
    """The file that weights came from."""

    types: tuple[str, ...]  # of the tensors, in safetensors' words: "F16", "F32", ...
    size: int  # bytes


class HubModel(nn.Module, ABC):
    """A network from ids to images, with its classes, its record and its cost.

    `HubModel.from_pretrained` loads any of them, by the architecture that config.json names; of a subclass, only
    models of that class. A subclass names its constructor's arguments beside `classes` in `FIELDS`, keeps each as an
    attribute of that name, and makes its images with a layer called `to_images`.

    Attributes:
        classes: what the ids of a layout mean; the input has one channel per class and one for unlabelled.
        num_images: k, how many different photographs the network gives at once.
        training_record: settings, loss weights and cost of the training that made these weights; {} if unknown.
        gradient_checkpointing: in training, keep only what passes between modules and compute the rest again: less
            memory, more time.
        loaded_from: the file of the weights, if they come from one.
    """

    ARCHITECTURE: ClassVar[str]  # in config.json
    TITLE: ClassVar[str]  # in people's words
    PAPER: ClassVar[tuple[str, str]]  # authors and year, address
    FIELDS: ClassVar[tuple[str, ...]]

    _architectures: ClassVar[dict[str, type["HubModel"]]] = {}

    to_images: nn.Module

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "ARCHITECTURE" in cls.__dict__:  # else it is for others to build on
            HubModel._architectures[cls.ARCHITECTURE] = cls

    def __init__(self, classes: ClassSet, num_images: int):
        super().__init__()
        if not isinstance(classes, ClassSet):
            raise ValueError(f"classes must be a ClassSet, not {type(classes).__name__}.")
        self.classes = classes
        (self.num_images,) = whole_numbers("num_images", [num_images], 1, 256)
        self.training_record: dict[str, Any] = {}
        self.gradient_checkpointing = False
        self.loaded_from: WeightsFile | None = None

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """(height, width) of the layouts that go in and the images that come out, in pixels."""

    @abstractmethod
    def forward(self, ids: Tensor) -> Tensor:
        """Ids (B, H, W), integer, 0..n-1 or 255 -> images (B, K, 3, H, W), float, nominally -1..1.

        Raises:
            ValueError: if shape, type or an id doesn't fit this network.
        """

    @abstractmethod
    def check_start(self, other: "HubModel") -> None:
        """
        Raises:
            ValueError: if the weights of `other` cannot be taken over.
        """
        if type(other) is not type(self):
            raise ValueError(f"a {self.TITLE} cannot start from a {other.TITLE}.")

    @abstractmethod
    def grow_from(self, other: Any) -> int:
        """Takes over the weights of a network of the same kind.

        The class sets may differ: what reads a class keeps its weights where `other` has that class by name or alias.
        What reads other classes keeps its fresh weights, and so does the output layer if the numbers of images differ;
        if `other` makes one image, each of the k here starts near that.

        Returns:
            How many of the `num_modules` were taken over.

        Raises:
            ValueError: if the networks differ otherwise (see `check_start`).
        """

    @property
    @abstractmethod
    def num_modules(self) -> int:
        """How many parts the network has, each after the other."""

    @property
    @abstractmethod
    def layers(self) -> tuple[str, str]:
        """A heading and the layers under it, for cards: "8 layers, channels", "64, 64, ..."."""

    @property
    @abstractmethod
    def gflop(self) -> float:
        """Arithmetic for one layout and all its K images, in 10^9 floating-point operations.

        Counted are the convolutions, 2 operations per multiply-add: every weight is used once per pixel. All else
        (normalisation, resizing) is left out.
        """

    @property
    def num_parameters(self) -> int:
        """How many numbers the weights are."""
        return sum(p.numel() for p in self.parameters())

    @property
    def config(self) -> dict[str, Any]:
        """What config.json holds. A cascade's names no architecture: those that were published before don't."""
        fields = {name: getattr(self, name) for name in self.FIELDS}
        return {
            **({} if self.ARCHITECTURE == "crn" else {"architecture": self.ARCHITECTURE}),
            "classes": self.classes.to_list(),
            **{name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()},
        }

    def _run(self, block: Callable[..., Tensor], *inputs: Any) -> Tensor:
        """What a part of the network gives; with gradient checkpointing its inner features aren't kept."""
        if self.gradient_checkpointing and torch.is_grad_enabled():
            return checkpoint(block, *inputs, use_reentrant=False)
        return block(*inputs)

    def _to_images(self, features: Tensor) -> Tensor:
        """Features (B, C, H, W) -> images (B, K, 3, H, W); (code) image u has the channels u, u + K, u + 2K."""
        return self.to_images(features).unflatten(1, (3, self.num_images)).transpose(1, 2)

    @torch.no_grad()
    def _start_alike(self) -> None:
        """Makes the k images almost the same (see `IMAGE_SPREAD`)."""
        for images in self._output_weights():
            images.lerp_(images[:, :1].clone().expand_as(images), 1 - IMAGE_SPREAD)

    @torch.no_grad()
    def _take_output_from(self, other: "HubModel") -> None:
        """Takes over the output layer if it makes as many images, or one: then each image here starts near that."""
        if other.num_images in (1, self.num_images):
            for images, theirs in zip(self._output_weights(), other._output_weights(), strict=True):
                # How images that start from one differ from one another stays.
                images.copy_(theirs) if theirs.shape == images.shape else images.add_(theirs - images[:, :1])

    def _output_weights(self) -> list[Tensor]:
        """The parameters of the output layer, each with (3, K) in front."""
        transposed = isinstance(self.to_images, nn.ConvTranspose2d)
        return [
            (p.transpose(0, 1) if transposed and p.ndim == 4 else p).unflatten(0, (3, self.num_images))
            for p in self.to_images.parameters()
        ]

    def _matching(self, kernel: Tensor, theirs: Tensor, before: int, other: "HubModel") -> Tensor:
        """The kernel of a layer that reads a layout, with the weights of `other` where that has the class.

        Args:
            kernel, theirs: (C, before + n + 1, h, w), here and there.
            before: channels in front of those of the layout.
        """
        source = self.classes.translation_to(other.classes)[: len(self.classes)]  # the id there of each class here
        here = torch.from_numpy(np.flatnonzero(source != UNLABELLED))
        there = torch.from_numpy(source[source != UNLABELLED].astype(np.int64))
        kernel = kernel.clone()
        kernel[:, :before] = theirs[:, :before]
        kernel[:, before + here] = theirs[:, before + there]
        kernel[:, -1] = theirs[:, -1]
        return kernel

    def _one_hot(self, ids: Tensor) -> Tensor:
        if ids.ndim != 3 or tuple(ids.shape[1:]) != self.size:
            raise ValueError(
                f"ids must have the shape (batch, {self.size[0]}, {self.size[1]}), not {tuple(ids.shape)}."
            )
        if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
            raise ValueError(f"ids must be of an integer type, not {ids.dtype}.")
        n = len(self.classes)
        ids = ids.long()
        outside = (ids < 0) | ((ids >= n) & (ids != UNLABELLED))
        if outside.any():
            values = ids[outside].unique().tolist()
            raise ValueError(f"ids {values[:5]} are outside 0..{n - 1} and not {UNLABELLED} (unlabelled).")
        return one_hot(ids, n, next(self.to_images.parameters()).dtype)

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
        return photographs_of(self, reading.ids, num_images or self.num_images, self.size, size)

    # -- the Hub -------------------------------------------------------------------------------------

    @classmethod
    def from_pretrained(
        cls: type[Model],
        pretrained_model_name_or_path: str | os.PathLike[str] | None = None,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        map_location: str | torch.device = "cpu",
        max_parameters: int = MAX_PARAMETERS,
    ) -> Model:
        """Loads a model from a local folder or the Hub; without a name, the one that comes with the package.

        All files come from one revision. Only safetensors are read, and every tensor must be there with its shape:
        nothing stays random. Before memory is taken, config.json is checked against the bounds of its network, and the
        weights' size and header against config.json.

        Args:
            pretrained_model_name_or_path: a folder or a Hub id.
            revision, token, cache_dir, force_download, local_files_only: as in `huggingface_hub.hf_hub_download`.
            map_location: the device for the model.
            max_parameters: refuse larger models before their weights are fetched.

        Raises:
            FileNotFoundError: no such folder or Hub repo, or it lacks config.json or model.safetensors.
            ConnectionError: the Hub could not be reached or refused.
            ValueError: config.json or the tensors make no such network, or there is no such device; the message names
                what is wrong.
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
            kind = cls._named(config.pop("architecture", "crn"), name)
            fields = {"classes", *kind.FIELDS}
            try:
                if unknown := sorted(set(config) - fields):
                    raise ValueError(f"unknown fields {some(unknown)}, of another kind of model or a newer crn_hub")
                if missing := sorted(fields - set(config)):
                    raise ValueError(f"the fields {', '.join(missing)} are missing")
                classes = ClassSet.from_list(config["classes"])
                if unknown := sorted({field for row in config["classes"] for field in row} - CLASS_FIELDS):
                    raise ValueError(f"unknown fields {some(unknown)} in classes")
                with torch.device("meta"):  # no memory is taken before the tensors' shapes have been compared
                    model = kind(**{**config, "classes": classes})
            except (ValueError, TypeError, RecursionError) as error:
                raise ValueError(f"{name}: {CONFIG} makes no {kind.__name__}: {clause(error)}.") from error
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

    @classmethod
    def _named(cls: type[Model], architecture: Any, name: str) -> type[Model]:
        """The class of an architecture that config.json names, if it is this one or below it."""
        kind = HubModel._architectures.get(architecture) if isinstance(architecture, str) else None
        if kind is None:
            raise ValueError(
                f"{name}: {CONFIG} names the architecture {reprlib.repr(architecture)}, of another kind of model or a "
                f"newer crn_hub; known are {', '.join(HubModel._architectures)}."
            )
        if not issubclass(kind, cls):
            raise ValueError(
                f"{name}: a {kind.TITLE} and no {cls.TITLE}; {kind.__name__}.from_pretrained loads it, and "
                "HubModel.from_pretrained any model."
            )
        return kind

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
            (draft / CONFIG).write_text(json.dumps(self.config, indent=2), encoding="utf-8")
            if self.training_record:
                (draft / TRAINING_RECORD).write_text(json.dumps(self.training_record, indent=2), encoding="utf-8")
            else:
                (folder / TRAINING_RECORD).unlink(missing_ok=True)  # another model's
            write_swatches(draft, self.classes)
            if not (folder / CARD).exists() or is_unedited(folder / CARD):
                write_card(
                    draft / CARD,
                    loader=type(self).__name__,
                    title=self.TITLE,
                    paper=self.PAPER,
                    classes=self.classes,
                    size=self.size,
                    layers=self.layers,
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
        commit_message: str | None = None,
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
            commit_message: the title of the commit; "Upload" and the name of the class by default.
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
        if commit_message is None:
            commit_message = f"Upload {type(self).__name__}"
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
