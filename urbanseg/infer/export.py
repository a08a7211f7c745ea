"""A segmenter as files that run without this project: torch.export, ONNX and OpenVINO.

The exported graph takes pixels as the scene stores them and answers probabilities: the
normalisation and the softmax are inside, so that there is nothing to get wrong outside.
The network is captured once, by `torch.export` (which PyTorch keeps, while TorchScript is
deprecated); ONNX is made of the captured graph, OpenVINO of ONNX, int8 of OpenVINO. The
same model gives the same bytes: no time and no path of the machine is left in a file.
"""

import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from urbanseg.config.base import ENCODER_STRIDE
from urbanseg.config.predict import PredictParams
from urbanseg.errors import PipelineError
from urbanseg.infer.backends import MANIFEST, digest, openvino
from urbanseg.infer.backends.onnx import OnnxPredictor
from urbanseg.infer.backends.pixels import CORES, INPUT, OUTPUT, as_input
from urbanseg.infer.onnx_files import BYTE, onnx_metadata, write_deepness
from urbanseg.infer.stitching import Predictor
from urbanseg.io import files
from urbanseg.model import domain
from urbanseg.model.digests import with_digests
from urbanseg.model.segmenter import Segmenter
from urbanseg.model.spec import CLIP, FILE, Spec
from urbanseg.paths import EXPORT_FILES


class Portable(nn.Module):
    """Pixels to probabilities: the network and what is around it, as one graph."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, spec: Spec) -> None:
        super().__init__()
        self.network = network
        self.classes, self.instances = len(spec.classes), spec.instances
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(spec.std).view(1, -1, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Probabilities ``(n, classes, height, width)`` of float32 ``(n, bands, height, width)``.

        Of a network that tells buildings apart also that of their insides, ``(n, 1, height, width)``.
        """
        scores = ((pixels - self.mean) / self.std).clamp(-CLIP, CLIP)
        logits: Tensor = self.network(scores)
        if not self.instances:
            return logits.softmax(dim=1)
        return logits[:, : self.classes].softmax(dim=1), logits[:, self.classes :].sigmoid()


def capture(network: Segmenter, spec: Spec) -> ExportedProgram:
    """The graph of a segmenter, for any number of images, of any sides that are multiples of 32.

    Raises:
        PipelineError: if the architecture can't be captured.
    """
    example = torch.zeros(2, len(spec.bands), 2 * ENCODER_STRIDE, 3 * ENCODER_STRIDE)
    free = {0: Dim("n", min=1), 2: ENCODER_STRIDE * Dim("rows"), 3: ENCODER_STRIDE * Dim("cols")}
    try:
        program = torch.export.export(Portable(network, spec).eval(), (example,), dynamic_shapes=(free,))
    except (RuntimeError, ValueError, TypeError) as error:
        raise PipelineError(
            f"{spec.arch} with the encoder {spec.encoder} can't be captured by torch.export "
            f"({str(error).partition(chr(10))[0]}); empty export.formats in params.yaml, "
            "and set predict.backend to torch"
        ) from error
    for module in program.graph_module.modules():
        for node in getattr(getattr(module, "graph", None), "nodes", ()):
            node.meta.pop("stack_trace", None)  # names files of this machine
    program.example_inputs = None  # would be stored as a pickle
    return program


def write_onnx(program: ExportedProgram, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a captured graph as ONNX, without the exporter's notes on where each node comes from.

    Args:
        program: the graph.
        path: of the file.
        metadata: what the file says of itself; see `onnx_metadata`.
    """
    outputs = [OUTPUT, CORES][: len(program.graph_signature.user_outputs)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of functions that the exporter itself calls
        converted = torch.onnx.export(
            program, dynamo=True, input_names=[INPUT], output_names=outputs, verbose=False
        )
    proto = converted.model_proto  # type: ignore[union-attr]
    graph = proto.graph
    values = (*graph.input, *graph.output)
    for part in (proto, graph, *graph.node, *graph.initializer, *values):
        del part.metadata_props[:]
    del graph.value_info[:]
    for value in values:
        for axis, name in ((0, "n"), (2, "height"), (3, "width")):
            value.type.tensor_type.shape.dim[axis].dim_param = name
    for key, text in metadata.items():
        proto.metadata_props.add(key=key, value=text)
    path.write_bytes(proto.SerializeToString(deterministic=True))


def write(
    folder: Path,
    formats: Iterable[str],
    model: Path,
    network: Segmenter,
    spec: Spec,
    calibration: Callable[[], Sequence[NDArray[np.float32]]],
    *,
    windows: PredictParams | None = None,
    known: Mapping[str, Any] | None = None,
) -> None:
    """Write a folder for each format into `folder`, with a manifest that says what it is made of.

    Args:
        folder: an existing folder.
        formats: names from `paths.EXPORT_FILES`.
        model: the segmenter's folder, for its digest.
        network: the segmenter, on the CPU.
        spec: what it was trained for.
        calibration: gives pixels ``(1, bands, height, width)`` of training tiles; asked for int8 only.
        windows: the `predict` section, for the size of tiles that other programs are told.
        known: statistics of the training (`urbanseg.model.domain`), put beside each format.

    Raises:
        PipelineError: if the architecture can't be captured.
    """
    wanted = [name for name in EXPORT_FILES if name in set(formats)]
    metadata = onnx_metadata(spec, windows)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part") as name:
        path = {made: Path(name) / made / file for made, file in EXPORT_FILES.items()}
        makers: dict[str, Callable[[], None]] = {
            "torch": lambda: None,
            "torch_export": lambda: torch.export.save(program, path["torch_export"]),
            "onnx": lambda: write_onnx(program, path["onnx"], metadata),
            "deepness": lambda: write_deepness(path["onnx"], path["deepness"]),
            "openvino": lambda: openvino.convert(path["onnx"], path["openvino"]),
            "openvino_int8": lambda: openvino.quantise(
                path["openvino"], path["openvino_int8"], calibration()
            ),
        }
        if wanted != ["torch"]:
            program = capture(network, spec)
        for made, make in list(makers.items())[: 1 + max(map(list(makers).index, wanted))]:
            (Path(name) / made).mkdir()
            make()
        for made in wanted:
            part = Path(name) / made
            files.write_json(part / FILE, spec.to_json())
            if known is not None and made != "torch":
                domain.write(part, known)
            files.write_json(part / MANIFEST, with_digests(part, MANIFEST, _manifest(made, model, spec)))
            part.rename(folder / made)


def _manifest(name: str, model: Path, spec: Spec) -> dict[str, Any]:
    return {
        "format": name,
        "segmenter_sha256": digest(model),
        "bands": spec.bands,
        "classes": spec.classes,
        INPUT: f"float32 (n, bands, height, width), as the scene has them, sides n × {ENCODER_STRIDE}",
        OUTPUT: "float32 (n, classes, height, width), 0 to 1",
    } | ({CORES: "float32 (n, 1, height, width), 0 to 1: inside of a building"} if spec.instances else {})


class ProgramPredictor:
    """A file of torch.export, to be compared; see `stitching.Predictor`."""

    def __init__(self, path: Path) -> None:
        self.program = torch.export.load(path).module()

    @torch.inference_mode()
    def __call__(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Class probabilities ``(n, classes, height, width)`` of ``(n, bands, height, width)`` pixels."""
        answer = self.program(torch.from_numpy(as_input(pixels)))
        probabilities: NDArray[np.float32] = (answer[0] if isinstance(answer, tuple) else answer).numpy()
        return probabilities


def predictor(folder: Path, threads: int) -> Predictor:
    """What runs an exported format, on the CPU and in float32, to be compared with the original.

    Raises:
        PipelineError: if the file is damaged.
    """
    path = folder / EXPORT_FILES[folder.name]
    if folder.name == "torch_export":
        return ProgramPredictor(path)
    if folder.name == "deepness":
        of_shares = OnnxPredictor(path, threads)
        return lambda pixels: of_shares(as_input(pixels) / np.float32(BYTE))
    return (
        OnnxPredictor(path, threads) if folder.name == "onnx" else openvino.OpenVinoPredictor(path, threads)
    )


def classes_of(predict: Predictor, pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """The most probable class of each pixel ``(height, width)`` of a tile ``(1, bands, height, width)``."""
    return np.asarray(predict(pixels)[0].argmax(axis=0), np.uint8)
