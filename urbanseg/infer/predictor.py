"""A trained network as a function from pixels to class probabilities, with PyTorch."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from urbanseg.errors import PipelineError
from urbanseg.infer.fuse_batchnorm import fuse_batchnorm
from urbanseg.model.cpu import use_cpu
from urbanseg.model.segmenter import native_bf16
from urbanseg.model.spec import CLIP, Spec


class TorchPredictor:
    """Maps batches of pixels to probabilities on one device; see `stitching.Predictor`.

    `precision` is ``float32``, ``bfloat16``, or ``auto``: bfloat16 where the device computes
    in it. The network is copied, with its batch normalisations fused. With `cores`, the probability
    of the inside of a building follows those of the classes, if the network knows it.
    """

    def __init__(
        self,
        network: nn.Module,
        spec: Spec,
        device: torch.device,
        threads: int,
        precision: str = "auto",
        *,
        cores: bool = False,
    ) -> None:
        use_cpu(threads)
        self.device = device
        self.network = fuse_batchnorm(network).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        mean, std = (
            torch.tensor(values, device=device).view(1, -1, 1, 1) for values in (spec.mean, spec.std)
        )
        self.mean, self.std = mean, std
        self.low = uses_bf16(precision, device)
        self.classes, self.cores = len(spec.classes), cores and spec.instances

    @torch.inference_mode()
    def __call__(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Class probabilities ``(n, classes, height, width)`` of ``(n, bands, height, width)`` pixels."""
        batch = torch.from_numpy(pixels.astype(np.float32)).to(self.device)
        images = batch.nan_to_num_().sub_(self.mean).div_(self.std).clamp_(-CLIP, CLIP)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.low):
            logits = self.network(images.contiguous(memory_format=torch.channels_last))
        found = logits[:, : self.classes].float().softmax(dim=1)
        if self.cores:
            found = torch.cat([found, logits[:, self.classes :].float().sigmoid()], dim=1)
        probabilities: NDArray[np.float32] = found.contiguous().cpu().numpy()
        return probabilities


def uses_bf16(precision: str, device: torch.device) -> bool:
    """Whether a network runs in bfloat16 on a device; `auto` does where the device has it, as in training.

    Raises:
        PipelineError: if bfloat16 is asked for where it isn't native: it would be many
            times slower than float32.
    """
    native = native_bf16(device)
    if precision == "bfloat16" and not native:
        raise PipelineError(
            f"params.yaml: predict.precision is bfloat16, but the {device.type} of this machine has no "
            "instructions for it and would be many times slower; set it to auto or float32"
        )
    return native and precision != "float32"
