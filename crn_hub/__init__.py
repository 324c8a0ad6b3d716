"""Cascaded Refinement Networks: a semantic layout in, a photograph out."""

from crn_hub.baselines import FullResolutionNetwork, SPADEGenerator, UNet
from crn_hub.classes import ClassSet, LayoutError
from crn_hub.hub_model import HubModel
from crn_hub.model import CRN

__all__ = ["CRN", "ClassSet", "FullResolutionNetwork", "HubModel", "LayoutError", "SPADEGenerator", "UNet"]
