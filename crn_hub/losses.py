"""The training loss: perceptual regression with the per-class minimum over k images (sections 3.2 and 3.3)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crn_hub.classes import UNLABELLED
from crn_hub.perceptual import LAYERS, FeatureNetwork

# (code) The best of the k images counts for each class; the mean over all k, weighted so little, keeps them all alive.
MINIMUM_SHARE, MEAN_SHARE = 0.999, 0.001


class PerceptualLoss(nn.Module):
    """Matches the features of an output to those of the photograph, class by class.

    `layer_weights` (6,), the lambdas of equation 1, start at 1 and are set by `calibrate`; they are part of the state.

    Args:
        features: the frozen feature network.
        num_classes: n; the loss runs over n + 1 classes, the unlabelled one included.
    """

    layer_weights: Tensor

    def __init__(self, features: FeatureNetwork, num_classes: int):
        super().__init__()
        self.features = features
        self.num_classes = num_classes
        self.register_buffer("layer_weights", torch.ones(len(LAYERS)))

    def forward(self, images: Tensor, photographs: Tensor, ids: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """
        Args:
            images: (B, K, 3, H, W), the network's output, nominally -1..1, unclipped.
            photographs: (B, 3, H, W), -1..1.
            ids: (B, H, W), integer, 0..n-1 or 255.

        Returns:
            The loss, and for each layer its weighted share of it (detached), by the names of `LAYERS`.
        """
        errors = self.class_errors(images, photographs, ids) * self.layer_weights  # (B, K, n + 1, layers)
        total = errors.sum(dim=-1)  # E[u, p] of section 3.3
        best = total.argmin(dim=1, keepdim=True)  # (B, 1, n + 1)
        of_best = errors.gather(1, best[..., None].expand(-1, -1, -1, errors.shape[-1])).squeeze(1)
        per_layer = (MINIMUM_SHARE * of_best + MEAN_SHARE * errors.mean(dim=1)).sum(dim=1).mean(dim=0)  # (layers,)
        return per_layer.sum(), dict(zip(LAYERS, per_layer.detach(), strict=True))

    @torch.no_grad()
    def calibrate(self, layer_errors: Tensor) -> None:
        """Sets the layer weights so that each term contributes equally, and all of them together 1.

        Args:
            layer_errors: (layers,), the unweighted errors of `LAYERS`, averaged over some batches.

        Raises:
            ValueError: if an error is 0 or not finite: no weight would make it count.
        """
        if not (torch.isfinite(layer_errors).all() and (layer_errors > 0).all()):
            raise ValueError(f"the loss terms cannot be balanced: their sizes are {layer_errors.tolist()}.")
        self.layer_weights.copy_(1 / (len(LAYERS) * layer_errors))

    def class_errors(self, images: Tensor, photographs: Tensor, ids: Tensor) -> Tensor:
        """mean_ij(L_p(i,j) * mean_c |phi_l(photograph) - phi_l(image u)|), unweighted: (B, K, n + 1, layers).

        (code) The mean runs over all pixels of a layer and the mask zeroes those of other classes, so the classes of
        an image add up to its plain perceptual loss.
        """
        batch, k = images.shape[:2]
        # Activations of deep layers reach thousands: the features stay in float32 whatever the network runs in.
        with torch.autocast(images.device.type, enabled=False):
            with torch.no_grad():
                wanted = self.features((photographs.float() + 1) * 127.5)
            given = self.features((images.float().flatten(0, 1) + 1) * 127.5)
            channel = ids.long().masked_fill(ids == UNLABELLED, self.num_classes)[:, None]
            shape = (batch, self.num_classes + 1, *ids.shape[-2:])
            masks = torch.zeros(shape, device=images.device).scatter_(1, channel, 1.0)
            errors = []
            for of_photograph, of_images in zip(wanted, given, strict=True):
                difference = (of_images.unflatten(0, (batch, k)) - of_photograph[:, None]).abs().mean(dim=2)
                mask = F.adaptive_avg_pool2d(masks, difference.shape[-2:])  # (B, n + 1, h, w), area averages
                errors.append(torch.einsum("bkhw,bphw->bkp", difference, mask) / mask[0, 0].numel())
            return torch.stack(errors, dim=-1)
