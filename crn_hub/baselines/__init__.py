"""Networks of the systems that the paper compares the cascade with."""

from crn_hub.baselines.full_resolution import FullResolutionNetwork
from crn_hub.baselines.patch_discriminator import PatchDiscriminator
from crn_hub.baselines.spade import SPADEGenerator
from crn_hub.baselines.unet import UNet

__all__ = ["FullResolutionNetwork", "PatchDiscriminator", "SPADEGenerator", "UNet"]
