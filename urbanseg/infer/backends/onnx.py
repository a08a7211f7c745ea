"""ONNX Runtime as a back end, on the CPU."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from urbanseg.errors import PipelineError, is_out_of_memory
from urbanseg.infer.backends.pixels import INPUT, as_input
from urbanseg.model.spec import unreadable
from urbanseg.redact import excerpt

ERRORS_ONLY = 3


class OnnxPredictor:
    """Maps batches of pixels to probabilities with an exported graph; see `stitching.Predictor`.

    With `cores`, the probability of the inside of a building follows those of the classes, if the graph
    has it.
    """

    def __init__(self, path: Path, threads: int, *, cores: bool = False) -> None:
        self.cores = cores
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = ERRORS_ONLY
        try:
            self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            if is_out_of_memory(error):
                raise unreadable(path.parent, error) from error
            raise PipelineError(
                f"{path} is damaged ({excerpt(str(error))}); run the export stage again"
            ) from error

    def __call__(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Class probabilities ``(n, classes, height, width)`` of ``(n, bands, height, width)`` pixels."""
        answers = self.session.run(None, {INPUT: as_input(pixels)})
        probabilities: NDArray[np.float32] = np.concatenate(answers, axis=1) if self.cores else answers[0]
        return probabilities
