"""Cascaded Refinement Networks: a semantic layout in, a photograph out."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crn_hub.classes import ClassSet, LayoutError
    from crn_hub.networks import CRN, FullResolutionNetwork, HubModel, SPADEGenerator, UNet

__all__ = ["CRN", "ClassSet", "FullResolutionNetwork", "HubModel", "LayoutError", "SPADEGenerator", "UNet"]

_IN_CLASSES = ("ClassSet", "LayoutError")


def __getattr__(name: str) -> Any:
    """Imports what is asked for: networks bring torch along, for which `crn --help`, for instance, need not wait."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = "classes" if name in _IN_CLASSES else "networks"
    return getattr(import_module(f"crn_hub.{room}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
