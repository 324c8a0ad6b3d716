"""The networks: the cascade, and those of the systems that it is compared with."""

from crn_hub.networks.cascade import CRN
from crn_hub.networks.full_resolution import FullResolutionNetwork
from crn_hub.networks.hub_model import HubModel
from crn_hub.networks.patch_discriminator import PatchDiscriminator
from crn_hub.networks.spade import SPADEGenerator
from crn_hub.networks.unet import UNet

__all__ = ["CRN", "FullResolutionNetwork", "HubModel", "PatchDiscriminator", "SPADEGenerator", "UNet"]
