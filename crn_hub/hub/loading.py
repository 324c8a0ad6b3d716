"""Loading a model from a folder or the Hub: checked before memory is taken, and no tensor is left random."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from crn_hub.hub.model_folder import CONFIG, TRAINING_RECORD, WEIGHTS, read_object
from crn_hub.hub.source import TEXT_BYTES, Source
from crn_hub.hub.training_record import TrainingRecord
from crn_hub.text import clause, some

Model = TypeVar("Model", bound="Loadable")


@dataclass(frozen=True)
class WeightsFile:
    """The file that weights came from."""

    types: tuple[str, ...]  # of the tensors, as safetensors calls them: "F16", "F32", ...
    size: int  # bytes


class Loadable(Protocol):
    """What a kind of model must offer so that models of it can be loaded."""

    training_record: TrainingRecord
    loaded_from: WeightsFile | None

    @classmethod
    def kind_for(cls: type[Model], config: Mapping[str, Any]) -> type[Model]:
        """The class of the model that config.json describes; a ValueError unless it is this one or a subclass."""

    @classmethod
    def from_config(cls: type[Model], config: Mapping[str, Any]) -> Model:
        """A model of this class with fresh weights; a ValueError if config.json does not describe one."""

    @property
    def num_parameters(self) -> int: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any: ...


def load_model(base: type[Model], source: Source, max_parameters: int) -> Model:
    """Loads a model on the CPU.

    Args:
        base: the class that the model must belong to.
        source: where its files are.
        max_parameters: refuse larger models before their weights are fetched.

    Raises:
        FileNotFoundError: if the folder or repo is missing, or its config.json or model.safetensors.
        ConnectionError: if the Hub could not be reached or refused.
        ValueError: if config.json or the tensors are not those of such a model.
    """
    with source:
        name = source.name
        config = read_object(source.fetch(CONFIG, TEXT_BYTES), name)
        try:
            kind = base.kind_for(config)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        try:
            with torch.device("meta"):  # takes no memory before the shapes of the tensors have been compared
                model = kind.from_config(config)
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"{name}: {CONFIG} does not describe a {kind.__name__}: {clause(error)}.") from error
        if model.num_parameters > max_parameters:
            raise ValueError(
                f"{name}: {model.num_parameters:,} parameters are more than the {max_parameters:,} allowed here."
            )
        # A header, and numbers of at most 8 bytes.
        file = source.fetch(WEIGHTS, 8 * model.num_parameters + 2**20)
        tensors, model.loaded_from = _read_weights(file, model.state_dict(), name)
        model.load_state_dict(tensors, assign=True)
        model.training_record = _read_training_record(source)
        return model


def check_device(map_location: str | torch.device) -> None:
    """
    Raises:
        ValueError: if PyTorch has no such device here.
    """
    try:
        torch.empty(0, device=map_location)
    except (RuntimeError, AssertionError, TypeError) as error:  # AssertionError: from a PyTorch without CUDA
        raise ValueError(
            f"map_location must be a device that PyTorch finds here, such as 'cpu' or 'cuda', not {map_location!r}."
        ) from error


def _read_weights(file: Path, expected: Mapping[str, Tensor], name: str) -> tuple[dict[str, Tensor], WeightsFile]:
    """The tensors of a file in float32, if they are exactly the expected ones.

    Raises:
        ValueError: if a tensor is missing, unexpected, of another shape, or not of finite numbers.
    """
    try:
        with safe_open(file, framework="pt") as stored:
            headers = {key: stored.get_slice(key) for key in stored.keys()}  # noqa: SIM118 - it is not a dict
            problems = _differences(headers, expected)
            if not problems:
                # Copies, because safetensors maps the file: a change of the file would change the model.
                tensors = {key: stored.get_tensor(key).to(torch.float32, copy=True) for key in expected}
                if broken := [key for key, tensor in tensors.items() if not tensor.isfinite().all()]:
                    problems.append(f"not finite numbers in {some(broken)}")
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{name}: {WEIGHTS} is not a readable safetensors file ({clause(error)}).") from error
    if problems:
        raise ValueError(f"{name}: the tensors of {WEIGHTS} don't fit {CONFIG}: {'; '.join(problems)}.")
    types = {header.get_dtype() for header in headers.values()}
    return tensors, WeightsFile(tuple(sorted(types)), file.stat().st_size)


def _differences(headers: Mapping[str, Any], expected: Mapping[str, Tensor]) -> list[str]:
    """How the tensors that a file announces differ from the expected ones."""
    known = {key: header for key, header in headers.items() if key in expected}
    wrong_shape = [
        f"{key} {header.get_shape()} instead of {list(expected[key].shape)}"
        for key, header in known.items()
        if header.get_shape() != list(expected[key].shape)
    ]
    wrong_type = [
        f"{key} {header.get_dtype()}"
        for key, header in known.items()
        if header.get_dtype() not in ("F16", "BF16", "F32", "F64")
    ]
    found = {
        "missing": [key for key in expected if key not in headers],
        "unexpected": [key for key in headers if key not in expected],
        "wrong shape": wrong_shape,
        "not floating point": wrong_type,
    }
    return [f"{problem} {some(keys)}" for problem, keys in found.items() if keys]


def _read_training_record(source: Source) -> TrainingRecord:
    """training.json; {} if there is none, because a model need not say how it was trained."""
    try:
        file = source.fetch(TRAINING_RECORD, TEXT_BYTES)
    except FileNotFoundError:
        return {}
    except ConnectionError:
        if source.is_offline:
            return {}
        raise
    return cast(TrainingRecord, read_object(file, source.name))
