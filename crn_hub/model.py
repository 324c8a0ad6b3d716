"""The cascaded refinement network (Chen and Koltun, ICCV 2017, section 3) and its life on the Hub.

Details that the paper leaves open follow the authors' published TensorFlow code, because its checkpoints are
what people have: order of concatenation, aligned corners, area averaging, order of the output channels.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from huggingface_hub import (
    _CACHED_NO_EXIST,
    HfApi,
    PyTorchModelHubMixin,
    hf_hub_download,
    is_offline_mode,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import httpx
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from crn_hub.card import CARD_METADATA, PAPER_URL, is_unedited, write_card
from crn_hub.classes import UNLABELLED, ClassSet, Layout
from crn_hub.synthesis import synthesize

CONFIG, WEIGHTS, CARD, TRAINING_RECORD = "config.json", "model.safetensors", "README.md", "training.json"
MODEL_IN_THE_BOX = Path(__file__).parent / "pretrained" / "crn-camvid-256p"

# About 15 GFLOP for one 256 x 512 image with CamVid's classes: arithmetic goes with the number of pixels, parameters
# don't, so capacity sits in the coarse modules.
DEMO_WIDTHS = (320, 320, 256, 176, 88, 40, 16)


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


class CRN(
    nn.Module,
    PyTorchModelHubMixin,
    library_name=CARD_METADATA["library_name"],
    pipeline_tag=CARD_METADATA["pipeline_tag"],
    tags=list(CARD_METADATA["tags"]),
    paper_url=PAPER_URL,
    coders={ClassSet: (ClassSet.to_list, ClassSet.from_list)},
):
    """Cascaded refinement network: a semantic layout in, `num_images` photographs of it out.

    Args:
        classes: what the ids of a layout mean; the input has one channel per class and one for unlabelled.
        widths: channels of each refinement module, coarse to fine. The paper's 256p network has
            (1024,) * 5 + (512, 512), with (128,) and (128, 32) more for 512p and 1024p.
        base_size: (height, width) of the first module in pixels; each further module doubles it, so the output
            has base_size * 2 ** (len(widths) - 1).
        num_images: k, how many different photographs the network gives at once (section 3.3).

    Raises:
        ValueError: for widths, sizes or numbers that make no network.
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
        # Settings, calibrated loss weights and cost of the training that made these weights; {} if unknown.
        self.training_record: dict[str, Any] = {}

        layout_channels = len(classes) + 1
        before = (0, *self.widths[:-1])
        self.stages = nn.ModuleList(
            RefinementModule(feature_channels + layout_channels, width)
            for feature_channels, width in zip(before, self.widths, strict=True)
        )
        self.to_images = nn.Conv2d(self.widths[-1], 3 * self.num_images, 1)

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

        features = self.stages[0](layouts[0])
        for stage, layout in zip(list(self.stages)[1:], layouts[1:], strict=True):
            features = F.interpolate(features, layout.shape[-2:], mode="bilinear", align_corners=True)
            features = stage(torch.cat([features, layout.to(features.dtype)], dim=1))
        images = self.to_images(features)  # (B, 3K, H, W); (code) image u has the channels u, u + K, u + 2K
        return images.unflatten(1, (3, self.num_images)).transpose(1, 2)

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
            layout: path, PIL image or array; see `ClassSet.read_layout` for what is understood.
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
        return synthesize(self, self.classes.read_layout(layout), num_images or self.num_images, self.size, size)

    def grow_from(self, other: "CRN") -> int:
        """Takes over the weights of a cascade that is equal or shorter (section 4: 256p to 512p to 1024p).

        The new modules keep their fresh weights, and so does the output layer unless both networks end alike.

        Returns:
            How many modules were taken over.

        Raises:
            ValueError: if classes, base size or the widths of the common modules differ.
        """
        common = len(other.widths)
        if other.classes != self.classes:
            raise ValueError(f"cannot start from a model with other classes: {other.classes}, here {self.classes}.")
        if other.base_size != self.base_size:
            raise ValueError(f"cannot start from base size {other.base_size}; this network has {self.base_size}.")
        if other.widths != self.widths[:common]:
            raise ValueError(
                f"cannot grow widths {list(other.widths)} into {list(self.widths)}: not a beginning of it."
            )
        self.stages[:common].load_state_dict(other.stages.state_dict())
        if common == len(self.widths) and other.num_images == self.num_images:
            self.to_images.load_state_dict(other.to_images.state_dict())
        return common

    # -- the Hub -------------------------------------------------------------------------------------

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str] | None = None,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        map_location: str | torch.device = "cpu",
    ) -> "CRN":
        """Loads a model from a local folder or the Hub; without a name, the one that comes with the package.

        Only safetensors are read. Every tensor must be there with its shape: nothing stays random.

        Raises:
            FileNotFoundError: no such folder or Hub repo, or it lacks config.json or model.safetensors.
            ConnectionError: the Hub could not be reached or refused.
            ValueError: config.json or the tensors make no CRN; the message names what is wrong.
        """
        name = str(MODEL_IN_THE_BOX if pretrained_model_name_or_path is None else pretrained_model_name_or_path)
        hub = {
            "revision": revision,
            "token": token,
            "cache_dir": cache_dir,
            "force_download": force_download,
            "local_files_only": local_files_only,
        }
        config_file = _fetch(name, CONFIG, **hub)
        try:
            config = json.loads(config_file.read_text(encoding="utf-8"))
            if not isinstance(config, dict):
                raise ValueError("not a JSON object")
            if unknown := sorted(set(config) - {"classes", "widths", "base_size", "num_images"}):
                raise ValueError(f"unknown fields {', '.join(unknown)}; is it the config of another kind of model?")
            if missing := sorted({"classes", "widths", "base_size", "num_images"} - set(config)):
                raise ValueError(f"the fields {', '.join(missing)} are missing")
            with torch.device("meta"):  # no memory is taken before the tensors' shapes have been compared
                model = cls(**{**config, "classes": ClassSet.from_list(config["classes"])})
        except (ValueError, TypeError) as error:
            raise ValueError(f"{name}: {CONFIG} makes no CRN: {str(error).rstrip('.')}.") from error
        model._load_weights(_fetch(name, WEIGHTS, **hub), name)
        try:
            record = json.loads(_fetch(name, TRAINING_RECORD, **hub).read_text(encoding="utf-8"))
            if not isinstance(record, dict):
                raise ValueError("not a JSON object")
            model.training_record = record
        except FileNotFoundError:
            pass  # a model need not say how it was trained
        except ConnectionError:
            if not (local_files_only or is_offline_mode()):  # offline, what the cache lacks counts as not there
                raise
        except ValueError as error:
            raise ValueError(f"{name}: {TRAINING_RECORD} is not readable JSON ({error}).") from error
        return model.to(map_location).eval()

    def _load_weights(self, file: Path, name: str) -> None:
        try:
            tensors = load_file(file)
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{name}: {WEIGHTS} is not a readable safetensors file ({error}).") from error
        expected = self.state_dict()
        problems = []
        if missing := [key for key in expected if key not in tensors]:
            problems.append(f"missing {_first(missing)}")
        if unexpected := [key for key in tensors if key not in expected]:
            problems.append(f"unexpected {_first(unexpected)}")
        wrong = [
            f"{key} {list(tensors[key].shape)} instead of {list(expected[key].shape)}"
            for key in expected
            if key in tensors and tensors[key].shape != expected[key].shape
        ]
        if wrong:
            problems.append(f"wrong shape {_first(wrong)}")
        if broken := [key for key, t in tensors.items() if not t.is_floating_point() or not t.isfinite().all()]:
            problems.append(f"not finite numbers in {_first(broken)}")
        if problems:
            raise ValueError(f"{name}: the tensors of {WEIGHTS} don't fit {CONFIG}: {'; '.join(problems)}.")
        self.load_state_dict({key: tensor.float() for key, tensor in tensors.items()}, assign=True)

    def save_pretrained(self, save_directory: str | os.PathLike[str]) -> None:  # type: ignore[override]
        """Writes config.json, model.safetensors, training.json (if known) and README.md, unless people edited that.

        The card shows the pictures in the folder's `samples`.

        Each file is written under another name and renamed, so a folder never holds half a file.
        """
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".saving-") as temporary:
            draft = Path(temporary)
            save_file(
                {k: v.contiguous().cpu() for k, v in self.state_dict().items()}, draft / WEIGHTS, {"format": "pt"}
            )
            (draft / CONFIG).write_text(json.dumps(self._config(), indent=2), encoding="utf-8")
            if self.training_record:
                (draft / TRAINING_RECORD).write_text(json.dumps(self.training_record, indent=2), encoding="utf-8")
            else:
                (folder / TRAINING_RECORD).unlink(missing_ok=True)  # another model's
            if not (folder / CARD).exists() or is_unedited(folder / CARD):
                samples = sorted(f"samples/{file.name}" for file in folder.glob("samples/*.png"))
                write_card(draft / CARD, self.classes, self.size, self.num_parameters, self.training_record, samples)
            for file in sorted(draft.iterdir()):
                os.chmod(file, 0o644)
                os.replace(file, folder / file.name)

    def push_to_hub(  # type: ignore[override]
        self,
        repo_id: str,
        *,
        folder: str | os.PathLike[str] | None = None,
        private: bool | None = None,
        token: str | None = None,
        commit_message: str = "Upload CRN",
        revision: str | None = None,
    ) -> str:
        """Creates the repo if need be and uploads the model in one commit; a card that is there already stays.

        Args:
            repo_id: "organisation/name".
            folder: a folder in which this model has been saved; its card and samples go along.
            private, token, commit_message, revision: as in `HfApi.create_repo` and `HfApi.upload_folder`.

        Returns:
            The address of the commit.

        Raises:
            ConnectionError: the Hub could not be reached or refused.
        """
        api = HfApi(token=token)
        with tempfile.TemporaryDirectory() as temporary:
            draft = Path(temporary) / "model"
            if folder is not None:
                shutil.copytree(folder, draft, ignore=shutil.ignore_patterns("checkpoint-*", "grids", ".*"))
            try:
                repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
                try:  # people edit their cards on the Hub: theirs wins over ours
                    card = hf_hub_download(repo_id, CARD, revision=revision, token=token)
                    draft.mkdir(exist_ok=True)
                    shutil.copyfile(card, draft / CARD)
                except RemoteEntryNotFoundError:
                    pass
                self.save_pretrained(draft)
                commit = api.upload_folder(
                    repo_id=repo_id,
                    folder_path=draft,
                    commit_message=commit_message,
                    revision=revision,
                    delete_patterns=[TRAINING_RECORD],  # an earlier model's, if this one brings none
                )
            except (httpx.HTTPError, OSError, RuntimeError) as error:  # RuntimeError: one file's upload
                raise ConnectionError(f"{repo_id}: could not be pushed: {_one_line(error)}") from error
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


def _fetch(name: str, file: str, **hub: Any) -> Path:
    """A file of a model: from the local folder `name`, or from the Hub repo of that name through the cache."""
    if Path(name).is_dir():
        path = Path(name) / file
        if not name:
            raise FileNotFoundError("the name of the model is empty; give a folder or a Hub id.")
        if not path.is_file():
            raise FileNotFoundError(f"{name}: the folder holds no {file}, so it is no saved CRN.")
        return path
    if Path(name).is_file():
        raise FileNotFoundError(f"{name}: a file; a model is loaded by its folder or its Hub id.")
    try:
        try:
            return Path(hf_hub_download(name, file, **hub))
        except ValueError as error:
            if hub["force_download"] and error.__cause__:  # what the client makes of any failure then
                raise error.__cause__ from None
            raise
    except HFValidationError:
        raise FileNotFoundError(f"{name}: no such folder, and not a Hub id of the form organisation/name.") from None
    except GatedRepoError as error:
        raise ConnectionError(f"{name}: access has to be asked for on the model's page on the Hub first.") from error
    except RepositoryNotFoundError as error:
        raise FileNotFoundError(
            f"{name}: no such folder, and no such repo on the Hub, or a private one that this token may not see."
        ) from error
    except RevisionNotFoundError as error:
        raise FileNotFoundError(f"{name}: the repo has no revision {hub['revision']!r}.") from error
    except LocalEntryNotFoundError as error:
        if try_to_load_from_cache(name, file, hub["cache_dir"], hub["revision"]) is _CACHED_NO_EXIST:
            raise FileNotFoundError(f"{name}: the repo on the Hub held no {file} when it was last asked.") from error
        raise ConnectionError(
            f"{name}: {file} is not in the cache and could not be fetched from the Hub: "
            f"{_one_line(error.__cause__ or error)}"
        ) from error
    except EntryNotFoundError as error:
        hint = " (weights are read from safetensors only)" if file == WEIGHTS else ""
        raise FileNotFoundError(f"{name}: the repo on the Hub holds no {file}{hint}.") from error
    except (httpx.HTTPError, OSError) as error:
        raise ConnectionError(f"{name}: {file} could not be fetched from the Hub: {_one_line(error)}") from error


def _whole_numbers(what: str, values: Any, low: int, high: int) -> tuple[int, ...]:
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise ValueError(f"{what} must be a list of whole numbers, not {values!r}.")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"{what} must be whole numbers {low}..{high}, not {value!r}.")
    return tuple(values)


def _first(items: list[str]) -> str:
    return ", ".join(items[:3]) + (f" and {len(items) - 3} more" if len(items) > 3 else "")


def _one_line(error: BaseException) -> str:
    text = re.sub(r"For more information check: \S+", "", str(error))  # explains the HTTP status, not the failure
    return " ".join(text.split()).rstrip(".") + "."
