"""The training loss: perceptual regression with the minimum over k images (sections 3.2 and 3.3)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from crn_hub.losses.loss import Loss, Seen
from crn_hub.networks.one_hot import one_hot
from crn_hub.pictures import to_255
from crn_hub.vgg import LAYERS, PREPROCESSING, FeatureNetwork, Layer

# As in the authors' published code: the best of the k images counts for each class, and the mean over all k, with
# its tiny weight, keeps them all learning.
MINIMUM_SHARE, MEAN_SHARE = 0.999, 0.001

BestImage = Literal["per_class", "per_layout"]

# The lambdas of the published checkpoints, from the code that came with them, by data set and height, as factors on
# the means of `LAYERS`.
PUBLISHED_WEIGHTS = {
    "cityscapes-256p": (1, 1 / 1.6, 1 / 2.3, 1 / 1.8, 1 / 2.8, 12.5),
    "cityscapes-512p": (1, 1 / 2.6, 1 / 4.8, 1 / 3.7, 1 / 5.6, 6.667),
    "cityscapes-1024p": (1, 1 / 2.6, 1 / 4.8, 1 / 3.7, 1 / 5.6, 6.667),
    "gta5-256p": (1, 1 / 1.4, 1 / 1.8, 1 / 1.3, 1 / 2.2, 16.13),
}


def class_masks(ids: Tensor, num_classes: int, features: list[Tensor]) -> list[Tensor]:
    """L_p at the size of each layer: ids (B, H, W), 0..n-1 or 255 -> masks (B, n + 1, h, w), unlabelled last."""
    masks = one_hot(ids, num_classes)
    return [F.adaptive_avg_pool2d(masks, (layer.shape[-2], layer.shape[-1])) for layer in features]


def class_errors(given: list[Tensor], wanted: list[Tensor], masks: list[Tensor]) -> Tensor:
    """For each class and layer mean_ij(L_p(i,j) * mean_c |phi_l(photograph) - phi_l(image u)|).

    As in the authors' published code, the mean runs over all pixels of a layer and the mask zeroes those of other
    classes, so the classes of an image add up to the plain mean difference.

    Args:
        given: for each layer the features of the images (B, K, C, h, w).
        wanted: those of the photographs (B, C, h, w).
        masks: of `class_masks` (B, n + 1, h, w).

    Returns:
        (B, K, n + 1, layers).
    """
    errors = []
    for of_photographs, of_images, mask in zip(wanted, given, masks, strict=True):
        difference: Tensor = MeanDifference.apply(of_images, of_photographs[:, None])
        errors.append(torch.einsum("bkhw,bphw->bkp", difference, mask) / mask[0, 0].numel())
    return torch.stack(errors, dim=-1)


class MeanDifference(torch.autograd.Function):
    """mean_c |a - b| of (B, K, C, h, w) and (B, 1, C, h, w) -> (B, K, h, w), with a gradient for a alone.

    What autograd would do, with half as many passes over features on the way back: these have hundreds of channels.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        difference = a - b
        ctx.save_for_backward(difference)
        return difference.abs().mean(dim=2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (difference,) = ctx.saved_tensors
        return difference.sign().mul_((gradients[0] / difference.shape[2]).unsqueeze(2)), None


class PerceptualLoss(Loss):
    """Matches the features of an output to those of the photograph, class by class.

    `layer_weights` (6,), the lambdas of equation 1, are 1 for the layers that count until `calibrate` sets them; they
    are part of the state.

    Args:
        features: the frozen feature network.
        num_classes: n; the loss runs over n + 1 classes, the unlabelled one included.
        layers: those that count; the others weigh 0.
        best_image: for k > 1, whether the best image is chosen for each class or for the whole layout.
        image_by_image: for k > 1, keep what the gradient needs of one image at a time instead of all k. A first pass
            without gradient finds the best image for each class; then the images go through the features one by one,
            each with its weights. Same loss and gradient, less memory, one more forward pass.
    """

    terms = LAYERS
    layer_weights: Tensor

    def __init__(
        self,
        features: FeatureNetwork,
        num_classes: int,
        layers: Sequence[Layer] = LAYERS,
        best_image: BestImage = "per_class",
        image_by_image: bool = False,
    ):
        super().__init__()
        self.features = features
        self.num_classes = num_classes
        self.layers = tuple(dict.fromkeys(layers))
        self.best_image = best_image
        self.image_by_image = image_by_image
        self.needs_calibration = True
        self.register_buffer("layer_weights", torch.empty(len(LAYERS)))
        self.reset_weights()

    def forward(self, images: Tensor, photographs: Tensor, ids: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        # Activations of deep layers reach thousands, so the features stay in float32 even if the network's don't.
        with torch.autocast(images.device.type, enabled=False):
            images, k = images.float(), images.shape[1]
            wanted, masks = self.wanted(photographs, ids)
            if k > 1 and (self.image_by_image or not images.requires_grad):
                with torch.no_grad():
                    errors = torch.cat([self._errors(image, wanted, masks) for image in images.split(1, dim=1)], dim=1)
                loss, terms = self.total(errors)
                if images.requires_grad:
                    loss = WithGradient.apply(images, loss, self._gradient(images, errors, wanted, masks))
            else:
                loss, terms = self.total(self._errors(images, wanted, masks))
        return loss, terms

    def wanted(self, photographs: Tensor, ids: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """For each layer the features of the photographs (B, C, h, w), and the class masks (B, n + 1, h, w)."""
        with torch.no_grad():
            wanted = self.features(to_255(photographs.float()))
            return wanted, class_masks(ids, self.num_classes, wanted)

    def features_of(self, images: Tensor) -> list[Tensor]:
        """For each layer the features (B, K, C, h, w) of images (B, K, 3, H, W)."""
        given = self.features(to_255(images.flatten(0, 1)))
        return [layer.unflatten(0, images.shape[:2]) for layer in given]

    def errors(self, given: list[Tensor], wanted: list[Tensor], masks: list[Tensor]) -> Tensor:
        """(B, K, n + 1, layers): the errors of the classes, times the layer weights."""
        return class_errors(given, wanted, masks) * self.layer_weights

    def total(self, errors: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss and its terms, from errors (B, K, n + 1, layers)."""
        per_layer = (self.shares(errors)[..., None] * errors).sum(dim=(1, 2)).mean(dim=0)
        return per_layer.sum(), dict(zip(LAYERS, per_layer.detach(), strict=True))

    @property
    def weights(self) -> dict[str, float]:
        """The layer weights, by layer."""
        return dict(zip(LAYERS, self.layer_weights.tolist(), strict=True))

    def load_weights(self, weights: Mapping[str, float]) -> None:
        self.layer_weights.copy_(torch.tensor([weights[layer] for layer in LAYERS]))

    def reset_weights(self) -> None:
        """Sets the layer weights to 1, and to 0 for layers that do not count."""
        self.layer_weights.copy_(torch.tensor([float(layer in self.layers) for layer in LAYERS]))

    @torch.no_grad()
    def calibrate(self, batches: Iterable[Seen]) -> None:
        """Measures the errors of some batches, with the layer weights at 1, and balances them.

        Raises:
            ValueError: as `balance`.
        """
        self.reset_weights()
        errors = [torch.stack(list(self(*seen)[1].values())) for seen in batches]
        self.balance(sum(errors[1:], errors[0]) / len(errors))

    @torch.no_grad()
    def balance(self, layer_errors: Tensor) -> None:
        """Sets the layer weights so that each term that counts contributes equally, and all of them together 1.

        Args:
            layer_errors: (layers,), the unweighted errors of `LAYERS`.

        Raises:
            ValueError: if an error that counts is 0 or not finite: no weight would balance it.
        """
        self.reset_weights()
        errors = layer_errors.where(self.layer_weights > 0, 1.0)
        if not (torch.isfinite(errors).all() and (errors > 0).all()):
            raise ValueError(f"the loss terms cannot be balanced: their sizes are {layer_errors.tolist()}.")
        self.layer_weights.div_(len(self.layers) * errors)

    def use_published_weights(self, name: str) -> None:
        """Sets the layer weights to those of a published checkpoint (see `PUBLISHED_WEIGHTS`), which then stay.

        Raises:
            ValueError: if the feature network is not the one they were measured on, VGG-19 on the 0..255 scale, or if
                not all layers count.
        """
        if len(self.layers) < len(LAYERS):
            raise ValueError(
                f"the loss weights {name} are for all of {', '.join(LAYERS)}, not for {', '.join(self.layers)} alone."
            )
        architecture, scale = self.features.architecture, self.features.preprocessing
        if (architecture, scale) != ("vgg19", PREPROCESSING["caffe"]):
            raise ValueError(
                f"the loss weights {name} belong to a VGG-19 fed with 0..255 minus the mean, not to this "
                f"{architecture} (mean {scale.mean}, std {scale.std}), whose features have other sizes; calibrate "
                "instead."
            )
        self.layer_weights.copy_(torch.tensor(PUBLISHED_WEIGHTS[name]))
        self.needs_calibration = False

    def best(self, errors: Tensor) -> Tensor:
        """(B, n + 1): which image counts for each class, from errors (B, K, n + 1, layers)."""
        total = errors.detach().sum(dim=-1)  # E[u, p] of section 3.3
        if self.best_image == "per_layout":
            total = total.sum(dim=-1, keepdim=True).expand_as(total)
        return total.argmin(dim=1)

    def shares(self, errors: Tensor) -> Tensor:
        """(B, K, n + 1): how much each image counts for each class, from errors (B, K, n + 1, layers)."""
        best = torch.zeros_like(errors[..., 0]).scatter_(1, self.best(errors)[:, None], 1.0)
        return MINIMUM_SHARE * best + MEAN_SHARE / errors.shape[1]

    def _errors(self, images: Tensor, wanted: list[Tensor], masks: list[Tensor]) -> Tensor:
        return self.errors(self.features_of(images), wanted, masks)

    def _gradient(self, images: Tensor, errors: Tensor, wanted: list[Tensor], masks: list[Tensor]) -> Tensor:
        """(B, K, 3, H, W): of the loss with respect to the images, one image at a time."""
        shares = self.shares(errors) / len(images)
        gradients = []
        for image, share in zip(images.detach().split(1, dim=1), shares.split(1, dim=1), strict=True):
            with torch.enable_grad():
                image = image.requires_grad_()
                part = (share[..., None] * self._errors(image, wanted, masks)).sum()
            gradients += torch.autograd.grad(part, image)
        return torch.cat(gradients, dim=1)


class WithGradient(torch.autograd.Function):
    """A loss whose gradient with respect to the images has already been computed."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, loss: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *loss_gradient: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return loss_gradient[0] * gradient, None, None
