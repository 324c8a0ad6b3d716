"""The image-space loss, of the systems "image-space" and "pix2pix"."""

from torch import Tensor

from crn_hub.losses.loss import Loss


class ImageLoss(Loss):
    """The mean absolute difference to the photograph in RGB, on the -1..1 scale (L1).

    Of several images per layout it looks at the first.
    """

    terms = ("l1",)

    def forward(self, images: Tensor, photographs: Tensor, ids: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        loss = (images[:, 0].float() - photographs).abs().mean()
        return loss, {"l1": loss.detach()}
