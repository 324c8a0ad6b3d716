"""What all networks share: layouts in, photographs out, a start from another network, and the Hub."""

import os
import reprlib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from crn_hub.box import BOX, resolve
from crn_hub.classes import ClassSet, Layout, LayoutWarning, read_layout
from crn_hub.hub.card import ModelDescription
from crn_hub.hub.foreign_arguments import refuse_unknown
from crn_hub.hub.loading import WeightsFile, check_device, load_model
from crn_hub.hub.model_folder import CONFIG
from crn_hub.hub.pushing import push_model
from crn_hub.hub.saving import save_model
from crn_hub.hub.source import Source
from crn_hub.hub.training_record import TrainingRecord
from crn_hub.networks.bounds import MAX_PARAMETERS, whole_number, whole_numbers
from crn_hub.networks.convolution import Convolution
from crn_hub.networks.one_hot import check_ids, one_hot
from crn_hub.networks.starting import start_alike, take_over_classes, take_over_images
from crn_hub.pictures import Photograph
from crn_hub.styles import Style, StyleMix
from crn_hub.synthesis import photographs_of
from crn_hub.text import some

CLASS_FIELDS = {"id", "name", "color", "aliases", "part_of"}  # of each class in config.json

Model = TypeVar("Model", bound="HubModel")


class HubModel(nn.Module, ABC):
    """A network from ids to images, with its classes, its training record and its cost.

    `HubModel.from_pretrained` loads any of them, by the architecture that config.json names; a subclass loads only
    models of its own kind. A subclass names its constructor's arguments beside `classes` in `FIELDS`, and those that
    are off unless config.json says otherwise in `SWITCHES`; it keeps each as an attribute of that name, and makes its
    images with a layer called `to_images`.

    Attributes:
        classes: what the ids of a layout mean; the input has one channel per class and one for unlabelled.
        num_images: k, how many different photographs the network gives at once.
        training_record: settings, loss weights and cost of the training that made these weights; {} if unknown. Its
            keys are described in `crn_hub.hub.training_record`.
        gradient_checkpointing: in training, keep only what passes between modules and recompute the rest: less memory,
            more time.
        loaded_from: the file that the weights come from; None for fresh weights.
        styles: which colours its regions may have, the default first; () where it has none.
    """

    ARCHITECTURE: ClassVar[str]  # in config.json
    TITLE: ClassVar[str]  # as people call it
    PAPER: ClassVar[tuple[str, str]]  # authors and year, address
    FIELDS: ClassVar[tuple[str, ...]]
    SWITCHES: ClassVar[tuple[str, ...]] = ()
    IS_UNNAMED: ClassVar[bool] = False  # whether a config.json that names no architecture is of this class

    _architectures: ClassVar[dict[str, type["HubModel"]]] = {}

    to_images: nn.Module

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "ARCHITECTURE" in cls.__dict__:  # without one, it is a base for other classes
            HubModel._architectures[cls.ARCHITECTURE] = cls

    def __init__(self, classes: ClassSet, num_images: int):
        super().__init__()
        if not isinstance(classes, ClassSet):
            raise ValueError(f"classes must be a ClassSet, not {type(classes).__name__}.")
        self.classes = classes.without_codes()  # layouts have ids
        (self.num_images,) = whole_numbers("num_images", [num_images], 1, 256)
        self.training_record: TrainingRecord = {}
        self.gradient_checkpointing = False
        self.loaded_from: WeightsFile | None = None
        self.styles: tuple[Style, ...] = ()

    # -- layouts in, images out ----------------------------------------------------------------------

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

    @overload
    def synthesize(
        self,
        layout: Layout,
        num_images: int | None = ...,
        size: tuple[int, int] | None = ...,
        style: str | int | Style | StyleMix | None = ...,
        colors: Photograph | None = ...,
        seed: int = ...,
    ) -> list[Image.Image]: ...

    @overload
    def synthesize(
        self,
        layout: list[Layout],
        num_images: int | None = ...,
        size: tuple[int, int] | None = ...,
        style: str | int | Style | StyleMix | None = ...,
        colors: list[Photograph] | None = ...,
        seed: int = ...,
    ) -> list[list[Image.Image]]: ...

    def synthesize(
        self,
        layout: Layout | list[Layout],
        num_images: int | None = None,
        size: tuple[int, int] | None = None,
        style: str | int | Style | StyleMix | None = None,
        colors: Photograph | list[Photograph] | None = None,
        seed: int = 0,
    ) -> list[Image.Image] | list[list[Image.Image]]:
        """Photographs of one layout; the same arguments always give the same photographs.

        Args:
            layout: path, PIL image or array; see `classes.read_layout` for what is understood. Colours that are
                translated or count as unlabelled are reported in a `LayoutWarning`. A list of layouts makes one batch.
            num_images: how many of the K images, 1..K; all of them by default.
            size: (height, width) of the photographs in pixels; the layout's own size by default.
            style: which colours its regions have: a style of the model, by name or number, one made by
                `Style.from_photograph`, or for one layout a `StyleMix` of several; the first one by default. For
                networks with `region_colors`.
            colors: these colours instead of a style's: a picture, uint8 (H, W, 3), or as path or PIL image. Each region
                takes its mean colour there. With a list of layouts a list of pictures.
            seed: of the noise and of the colours that a style gives to regions, 0 or more.

        Returns:
            RGB images; with a list of layouts, such a list for each.

        Raises:
            LayoutError: if a layout cannot be read with this model's classes.
            ValueError: if `num_images`, `size` or `seed` is out of range, there is no such style, or the network takes
                no colours or no noise.
        """
        count = self.num_images if num_images is None else whole_number(num_images)
        if count is None or not 1 <= count <= self.num_images:
            raise ValueError(f"num_images must be 1..{self.num_images} for this model, not {reprlib.repr(num_images)}.")
        layouts = layout if isinstance(layout, list) else [layout]
        pictures = [*colors] if isinstance(colors, list | tuple) else None if colors is None else [colors]
        if pictures is not None and len(pictures) != len(layouts):
            raise ValueError(f"colors must be {len(layouts)} pictures, one for each layout, not {len(pictures)}.")
        readings = [read_layout(one, self.classes) for one in layouts]
        for reading in readings:
            for note in reading.notes:
                warnings.warn(note, LayoutWarning, stacklevel=2)
        inputs = self._inputs(style, pictures, seed)
        ids = [reading.ids for reading in readings]
        found = photographs_of(self, ids, inputs, count, self.size, size)
        return found if isinstance(layout, list) else found[0]

    def check_choice(self, style: str | int | Style | StyleMix | None, seed: int) -> None:
        """
        Raises:
            ValueError: if `synthesize` would refuse a style or a seed.
        """
        self._inputs(style, None, seed)

    def _inputs(
        self, style: str | int | Style | StyleMix | None, colors: Sequence[Photograph] | None, seed: int
    ) -> Callable[[np.ndarray], Sequence[Any]]:
        """What `forward` takes besides ids, as a function of them (see `synthesis.photographs_of`).

        Raises:
            ValueError: if the network doesn't take what is asked for.
        """
        if style is not None or colors is not None:
            raise ValueError("this network takes no colours of regions: leave out style and colors.")
        if whole_number(seed) != 0:
            raise ValueError("this network makes the same photographs with any seed: leave it out.")
        return lambda ids: ()

    def _one_hot(self, ids: Tensor) -> Tensor:
        """Ids as `forward` takes them -> (B, n + 1, H, W), in the type of the weights."""
        check_ids(ids, self.size, len(self.classes))
        dtype = next(self.to_images.parameters()).dtype
        return one_hot(ids, len(self.classes), dtype, self._memory_format(ids.device))

    @staticmethod
    def _memory_format(device: torch.device) -> torch.memory_format:
        """In which order the inputs lie in memory; what is computed from them follows.

        On a CPU most networks are faster if the channels of a pixel lie together (docs/speed.md). On a GPU it depends
        on card and precision, which is why `--channels_last` is an option of training.
        """
        return torch.channels_last if device.type == "cpu" else torch.contiguous_format

    def _run(self, block: Callable[..., Tensor], *inputs: Any) -> Tensor:
        """Runs a part of the network; with gradient checkpointing, its inner features aren't kept."""
        if self.gradient_checkpointing and torch.is_grad_enabled():
            return checkpoint(block, *inputs, use_reentrant=False)
        return block(*inputs)

    def _to_images(self, features: Tensor) -> Tensor:
        """Features (B, C, H, W) -> images (B, K, 3, H, W).

        Image u has the channels u, u + K and u + 2K, as in the authors' published code.
        """
        return self.to_images(features).unflatten(1, (3, self.num_images)).transpose(1, 2)

    # -- what the network is, and costs --------------------------------------------------------------

    @property
    @abstractmethod
    def convolutions(self) -> list[Convolution]:
        """The network's convolutions from the layout to the images, known from its arguments alone."""

    @property
    @abstractmethod
    def num_modules(self) -> int:
        """The number of parts of the network that run one after another."""

    @property
    @abstractmethod
    def layers(self) -> tuple[str, str]:
        """A heading and the layers under it, for cards: "8 layers, channels", "64, 64, ..."."""

    @property
    def gflop(self) -> float:
        """Arithmetic for one layout and all its K images, in 10^9 floating-point operations.

        Convolutions are counted, 2 operations per multiply-add; the rest (normalisation, resizing) is left out. On a
        CPU a cascade's images take less (see docs/speed.md).
        """
        return sum(layer.flop for layer in self.convolutions) / 1e9

    @property
    def num_parameters(self) -> int:
        """The number of parameters, over all weights and biases."""
        return sum(p.numel() for p in self.parameters())

    @property
    def description(self) -> ModelDescription:
        """What the model card says of the network."""
        return ModelDescription(
            loader=type(self).__name__,
            title=self.TITLE,
            paper=self.PAPER,
            classes=self.classes,
            size=self.size,
            layers=self.layers,
            num_images=self.num_images,
            num_parameters=self.num_parameters,
            gflop=self.gflop,
            inputs=(f"{len(self.classes)} for the classes", "1 for unlabelled"),
        )

    # -- starting ------------------------------------------------------------------------------------

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

        The class sets may differ: weights that read a class are taken over if `other` has that class, by name or
        alias. Weights that read other classes stay fresh, and so does the output layer if the numbers of images
        differ; but if `other` makes one image, each of the k here starts near that.

        Returns:
            How many of the `num_modules` were taken over.

        Raises:
            ValueError: if the networks differ otherwise (see `check_start`).
        """

    @property
    def _output_parameters(self) -> list[Tensor]:
        """The parameters of the output layer, each with its output channels first."""
        return [*self.to_images.parameters()]

    def _output_weights(self) -> list[Tensor]:
        """The parameters of the output layer by colour and image, (3, K, ...)."""
        return [p.unflatten(0, (3, self.num_images)) for p in self._output_parameters]

    def _start_alike(self) -> None:
        """Makes the k images almost the same; to be called at the end of a constructor."""
        start_alike(self._output_weights())

    def _take_output_from(self, other: "HubModel") -> None:
        """Takes over the output layer if it makes the same number of images, or one, near which each here starts."""
        take_over_images(self._output_weights(), other._output_weights())

    def _matching(self, kernel: Tensor, theirs: Tensor, before: int, other: "HubModel") -> Tensor:
        """The kernel of a layer that reads a layout, with the weights of `other` for each class that it has too."""
        return take_over_classes(kernel, theirs, before, self.classes, other.classes)

    # -- config.json ---------------------------------------------------------------------------------

    @property
    def config(self) -> dict[str, Any]:
        """What config.json holds."""
        fields = {name: getattr(self, name) for name in self.FIELDS}
        return {
            **({} if self._is_unnamed() else {"architecture": self.ARCHITECTURE}),
            "classes": self.classes.to_list(),
            **{name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()},
            **{name: True for name in self.SWITCHES if getattr(self, name)},
        }

    @classmethod
    def _is_unnamed(cls) -> bool:
        return cls.__dict__.get("IS_UNNAMED", False)  # not inherited: a class built on such a one has its own name

    @classmethod
    def kind_for(cls: type[Model], config: Mapping[str, Any]) -> type[Model]:
        """The class of the network that a config.json describes.

        Raises:
            ValueError: if the architecture is unknown, or not that of this class or a subclass.
        """
        kinds = HubModel._architectures
        architecture = config.get("architecture", next(name for name, kind in kinds.items() if kind._is_unnamed()))
        kind = kinds.get(architecture) if isinstance(architecture, str) else None
        if kind is None:
            raise ValueError(
                f"{CONFIG} names the architecture {reprlib.repr(architecture)}, of another kind of model or a newer "
                f"crn_hub; known are {', '.join(kinds)}."
            )
        if not issubclass(kind, cls):
            raise ValueError(
                f"a {kind.TITLE}, not a {cls.TITLE}; {kind.__name__}.from_pretrained loads it, and "
                "HubModel.from_pretrained any model."
            )
        return kind

    @classmethod
    def from_config(cls: type[Model], config: Mapping[str, Any]) -> Model:
        """A network of this class with fresh weights.

        Raises:
            ValueError, TypeError: if config.json does not describe one.
        """
        arguments = {name: value for name, value in config.items() if name != "architecture"}
        fields = {"classes", *cls.FIELDS}
        if unknown := sorted(set(arguments) - fields - {*cls.SWITCHES}):
            raise ValueError(f"unknown fields {some(unknown)}, of another kind of model or a newer crn_hub")
        if missing := sorted(fields - set(arguments)):
            raise ValueError(f"the fields {', '.join(missing)} are missing")
        for name in cls.SWITCHES:
            if not isinstance(arguments.get(name, False), bool):
                raise ValueError(f"{name} must be true or false, not {reprlib.repr(arguments[name])}")
        classes = ClassSet.from_list(arguments["classes"])
        if unknown := sorted({field for row in arguments["classes"] for field in row} - CLASS_FIELDS):
            raise ValueError(f"unknown fields {some(unknown)} in classes")
        return cls(**{**arguments, "classes": classes})

    # -- the Hub -------------------------------------------------------------------------------------

    @classmethod
    def from_pretrained(
        cls: type[Model],
        pretrained_model_name_or_path: str | os.PathLike[str] | None = None,
        *,
        revision: str | None = None,
        subfolder: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        map_location: str | torch.device = "cpu",
        max_parameters: int = MAX_PARAMETERS,
        **unknown: Any,
    ) -> Model:
        """Loads a model from a local folder or the Hub; without a name, the one that comes with the package.

        All files come from one revision. Only safetensors are read, and every tensor must be there with its shape:
        nothing stays random. Before memory is taken, config.json is checked against the bounds of its network, and the
        weights' size and header against config.json.

        Args:
            pretrained_model_name_or_path: a folder, a Hub id, the folder of a training checkpoint, or "box" for the
                model that comes with the package.
            subfolder: the folder within a folder or repo that the files are in.
            revision, token, cache_dir, force_download, local_files_only: as in `huggingface_hub.hf_hub_download`.
            map_location: the device for the model.
            max_parameters: refuse larger models before their weights are fetched.

        Raises:
            FileNotFoundError: no such folder or Hub repo, or it lacks config.json or model.safetensors.
            ConnectionError: the Hub could not be reached or refused.
            ValueError: config.json or the tensors are not those of such a network, or there is no such device; the
                message names what is wrong.
            TypeError: there is no such argument.
        """
        refuse_unknown("from_pretrained", unknown)
        check_device(map_location)
        name = resolve(BOX if pretrained_model_name_or_path is None else str(pretrained_model_name_or_path))
        source = Source(
            name,
            revision=revision,
            subfolder=subfolder,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
        )
        return load_model(cls, source, max_parameters).to(map_location).eval()

    def save_pretrained(
        self, save_directory: str | os.PathLike[str], *, repo_id: str | None = None, **unknown: Any
    ) -> None:
        """Writes config.json, model.safetensors, training.json (if known) and README.md, unless people edited that.

        The card shows the pictures in the folder's `samples` and the class colours, which are written to `swatches`;
        if `repo_id`, a name on the Hub, is given, its examples load the model by that name.

        Each file is written under another name and renamed, so none is ever half written.

        Raises:
            FileExistsError: a file is where the folder should be.
            OSError: the folder cannot be written.
            TypeError: `training_record` cannot be written as JSON, or there is no such argument.
        """
        refuse_unknown("save_pretrained", unknown)
        save_model(self, Path(save_directory), repo_id)

    def save_card(self, save_directory: str | os.PathLike[str]) -> None:
        """Writes what describes the model into a folder where it is saved already: as `save_pretrained`, but the
        weights stay as they are.

        Raises:
            FileExistsError, OSError, TypeError: as `save_pretrained`.
        """
        save_model(self, Path(save_directory), with_weights=False)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        folder: str | os.PathLike[str] | None = None,
        private: bool | None = None,
        token: str | None = None,
        commit_message: str | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        **unknown: Any,
    ) -> str:
        """Uploads the model in one commit, to a repo and a branch that are made if need be.

        Uploaded is what `save_pretrained` writes. From `folder` also come its README.md if people edited it, with the
        pictures in `swatches`, and the pictures in `samples`; nothing else that lies there is uploaded.

        A card that people have edited on the Hub stays. After a failure the revision is as it was; a repo or branch
        that has been made for the push then holds nothing of the model.

        Args:
            repo_id: "organisation/name", or "name" for a repo of one's own.
            folder: a folder in which this model has been saved, for its card and samples.
            private: whether a new repo is private.
            token: of the Hub; by default the one that `hf auth login` keeps.
            commit_message: the title of the commit; "Upload" and the name of the class by default.
            revision: the branch, "main" by default; a new one starts from "main".
            create_pr: propose the commit as a pull request, for a repo of somebody else.

        Returns:
            The address of the commit, or of the pull request.

        Raises:
            ValueError: the id is invalid, the commit has no title, the repo is public although a private one is asked
                for, or the Hub refuses the card.
            FileNotFoundError: there is no such `folder`.
            ConnectionError: the Hub could not be reached or refused, or the repo was changed during the push.
            TypeError: there is no such argument.
        """
        refuse_unknown("push_to_hub", unknown)
        return push_model(self, repo_id, folder, private, token, commit_message, revision, create_pr)
