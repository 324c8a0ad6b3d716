"""Networks whose weights other libraries download: Inception for FID and KID, AlexNet for LPIPS.

- FID: Heusel et al., NeurIPS 2017; KID: Binkowski et al., ICLR 2018; both on the pooled features of the Inception-v3
  that torch-fidelity converted from the original TensorFlow weights.
- LPIPS: Zhang et al., CVPR 2018, version 0.1 on AlexNet with torchvision's weights.

Once downloaded, the weights stay in the cache of torch.hub.
"""

import os
import socket
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

from torchmetrics.image.fid import NoTrainInceptionV3
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

from crn_hub.text import clause

TIMEOUT = 20.0  # seconds without an answer from a server
TENSORS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"  # PyTorch's own switch: unpickle only tensors


def load_inception() -> tuple[Any, str]:
    """uint8 (B, 3, H, W) -> features (B, 2048); or None and why the weights could not be loaded."""
    return _try(lambda: NoTrainInceptionV3(name="inception-v3-compat", features_list=["2048"]))


def load_lpips() -> tuple[Any, str]:
    """LPIPS of two images (1, 3, H, W), -1..1; or None and why the weights could not be loaded."""
    metric, problem = _try(lambda: LearnedPerceptualImagePatchSimilarity(net_type="alex"))
    return (None, problem) if metric is None else (metric.requires_grad_(False).eval(), "")


def _try(build: Callable[[], Any]) -> tuple[Any, str]:
    """What `build` returns, or None and why it failed; only tensors are unpickled meanwhile."""
    forced, timeout = os.environ.get(TENSORS_ONLY), socket.getdefaulttimeout()
    os.environ[TENSORS_ONLY] = "1"
    socket.setdefaulttimeout(TIMEOUT)
    try:
        with redirect_stdout(sys.stderr):  # torch.hub prints what it downloads
            return build(), ""
    except Exception as error:  # urllib, torch.hub and pickle fail in many different ways
        return None, clause(getattr(error, "reason", error))  # `reason` is that of a URLError
    finally:
        socket.setdefaulttimeout(timeout)
        if forced is None:
            del os.environ[TENSORS_ONLY]
        else:
            os.environ[TENSORS_ONLY] = forced
