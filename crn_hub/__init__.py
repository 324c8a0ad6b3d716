"""Cascaded Refinement Networks: a semantic layout in, a photograph out."""

from crn_hub.classes import ClassSet, LayoutError
from crn_hub.networks import CRN, FullResolutionNetwork, HubModel, SPADEGenerator, UNet

__all__ = ["CRN", "ClassSet", "FullResolutionNetwork", "HubModel", "LayoutError", "SPADEGenerator", "UNet"]
