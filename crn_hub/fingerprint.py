"""Fingerprints, which tell networks apart by their weights and settings."""

import hashlib
import json
from typing import Any

from torch import nn


def fingerprint(network: nn.Module, settings: Any) -> str:
    """16 hexadecimal digits that depend on the weights and on `settings`, written as JSON."""
    digest = hashlib.sha256(json.dumps(settings, default=str).encode())
    for name, weights in network.state_dict().items():
        digest.update(name.encode())
        digest.update(weights.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
