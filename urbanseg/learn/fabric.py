"""Where training runs: device, precision and number of processes, by Lightning Fabric.

Several GPUs, or several processes on a CPU (gloo), share each batch by data-parallel
training (Li et al. 2020, "PyTorch Distributed"): each computes its parts of the batch,
and gradients are averaged. Fabric starts the others by running the same command again,
so everything up to `launch` happens in each of them, and files are for process 0 alone.
"""

import logging
import os
from typing import Any

import cv2
import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from timm.layers.norm_act import convert_sync_batchnorm
from torch import Tensor, nn

from urbanseg.config.train import TrainParams
from urbanseg.errors import PipelineError
from urbanseg.model.cpu import use_cpu
from urbanseg.model.segmenter import Segmenter, device_of, native_bf16

log = logging.getLogger(__name__)


def launch(params: TrainParams, seed: int) -> Fabric:
    """Start `params.devices` processes, seeded alike, on deterministic algorithms.

    Raises:
        PipelineError: if there are fewer GPUs than asked for.
    """
    device = device_of(params.device)
    on_gpu = device.type == "cuda"
    if on_gpu and params.devices > torch.cuda.device_count():
        raise PipelineError(
            f"params.yaml: train.devices is {params.devices}, but this machine has "
            f"{torch.cuda.device_count()} usable GPUs; lower it, or set train.device to cpu"
        )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # a few CUDA kernels have no deterministic form; there it is a warning, not an error
    torch.use_deterministic_algorithms(True, warn_only=on_gpu)
    # nothing here reads memory that it hasn't written, so that it needn't be filled first
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    precision: Any = precision_of(params.precision, device)
    fabric = Fabric(
        accelerator=device.type, devices=params.devices, precision=precision, strategy=_strategy(params)
    )
    fabric.launch()
    use_cpu(max(1, params.threads if on_gpu else params.threads // params.devices))
    cv2.setNumThreads(0)  # a crop is too small to be shared, and the cores belong to the network
    torch.manual_seed(seed)
    if not fabric.is_global_zero:
        logging.getLogger().setLevel(logging.ERROR)
    count = f"{params.devices} × " if params.devices > 1 else ""
    log.info("training on %s%s in %s", count, device.type, precision)
    return fabric


def precision_of(choice: str, device: torch.device) -> str:
    """The precision for `auto`: bf16-mixed where the device computes bfloat16 natively, else 32-true."""
    if choice != "auto":
        return choice
    return "bf16-mixed" if native_bf16(device) else "32-true"


def share_batch_statistics(network: Segmenter, fabric: Fabric) -> Segmenter:
    """Let batch normalisation see the whole batch where several GPUs share it.

    PyTorch has no synchronised batch normalisation on a CPU: there each process
    normalises by its own part, as with `accumulate`.
    """
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        # timm's, because torch's drops the activation that timm's layers hold
        synchronised: Segmenter = convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return synchronised
    return network


def total(values: Tensor, fabric: Fabric) -> Tensor:
    """The sum over all processes, in each of them."""
    summed: Tensor = fabric.all_reduce(values, reduce_op="sum")  # type: ignore[assignment]
    return summed


def average_buffers(network: nn.Module, fabric: Fabric) -> None:
    """Give all processes the mean of their running statistics, in place."""
    if fabric.world_size > 1:
        for buffer in network.buffers():
            if buffer.is_floating_point():
                fabric.all_reduce(buffer, reduce_op="mean")


def _strategy(params: TrainParams) -> Any:
    if params.devices == 1:
        return "auto"
    # Encoders of classifiers have layers behind their last feature, and a frozen encoder has no
    # gradient at all: neither may be waited for. Buffers are averaged once an epoch instead of copied
    # at each step.
    return DDPStrategy(find_unused_parameters=True, broadcast_buffers=False, gradient_as_bucket_view=True)
