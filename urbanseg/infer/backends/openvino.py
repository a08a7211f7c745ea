"""OpenVINO as a back end, on the CPU: conversion from ONNX, quantisation to int8, prediction.

In float the precision is set to float32: by itself OpenVINO takes bfloat16 where the CPU
has it, and one pixel in a hundred gets another class.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from urbanseg.errors import PipelineError, is_out_of_memory
from urbanseg.infer.backends.pixels import as_input
from urbanseg.model.spec import unreadable
from urbanseg.redact import excerpt

DEVICE = "CPU"


class OpenVinoPredictor:
    """Maps batches of pixels to probabilities with an exported graph; see `stitching.Predictor`.

    `precision` is ``float32``, ``bfloat16``, or ``auto``, which is float32. Of a quantised
    graph it concerns the layers that are left in float. With `cores`, the probability of the inside of
    a building follows those of the classes, if the graph has it.
    """

    def __init__(self, path: Path, threads: int, precision: str = "auto", *, cores: bool = False) -> None:
        self.cores = cores
        core = openvino.Core()
        low = precision == "bfloat16"
        if low and "BF16" not in core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES"):
            raise PipelineError(
                "params.yaml: predict.precision is bfloat16, but the cpu of this machine has no "
                "instructions for it; set it to auto or float32"
            )
        options = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "bf16" if low else "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        try:
            self.request = core.compile_model(core.read_model(path), DEVICE, options).create_infer_request()
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise unreadable(path.parent, error) from error
            raise PipelineError(
                f"{path} is damaged ({excerpt(str(error))}); run the export stage again"
            ) from error

    def __call__(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Class probabilities ``(n, classes, height, width)`` of ``(n, bands, height, width)`` pixels."""
        answer = self.request.infer([as_input(pixels)], share_inputs=True)
        if self.cores:
            return np.concatenate([np.asarray(each, np.float32) for each in answer.values()], axis=1)
        return np.array(answer[0], np.float32)


def convert(onnx: Path, target: Path) -> None:
    """Write an ONNX file as OpenVINO's pair of ``.xml`` and ``.bin``, in float32."""
    _save(openvino.convert_model(onnx), target)


def quantise(source: Path, target: Path, calibration: Sequence[NDArray[np.float32]]) -> None:
    """Write a float graph with weights and activations of convolutions in int8.

    Ranges of activations are those seen on `calibration` (post-training quantisation:
    Nagel et al. 2021, "A White Paper on Neural Network Quantization"); asymmetric for
    activations, symmetric for weights.

    Args:
        source: the ``.xml`` of the float graph.
        target: the ``.xml`` to write.
        calibration: pixels ``(1, bands, height, width)`` of training tiles.
    """
    import nncf  # noqa: PLC0415, takes seconds to import

    nncf.set_log_level("ERROR")
    quantised = nncf.quantize(
        openvino.Core().read_model(source),
        nncf.Dataset(list(calibration)),
        subset_size=len(calibration),
        preset=nncf.QuantizationPreset.MIXED,
    )
    _save(quantised, target)


def _save(model: Any, target: Path) -> None:
    for number, operation in enumerate(model.get_ordered_ops()):
        if operation.get_type_name() != "Parameter":
            # By themselves, names count all that this process has converted.
            operation.set_friendly_name(f"{operation.get_type_name()}_{number}")
    openvino.save_model(model, target, compress_to_fp16=False)
