"""ONNX files as other programs want them: what they say of themselves, and where their weights lie.

`onnx_metadata` are the properties by which the QGIS plugin Deepness knows a model
(https://qgis-plugin-deepness.readthedocs.io, "Model metadata"). The plugin divides pixels by 255, whatever
their type, takes off ``standardization_mean`` and divides by ``standardization_std``; `write_deepness`
makes the graph for pixels that were only divided. `share_weights` takes the weights of a graph from a
safetensors file beside it, in half precision: one copy of them serves PyTorch and ONNX.
"""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from urbanseg.config.predict import PredictParams
from urbanseg.infer.backends.pixels import INPUT
from urbanseg.model.spec import Spec

BYTE = 255
"""What Deepness divides pixels by."""

OVERLAP = 25
"""Percent that tiles of Deepness share at least: it cuts them off in the middle, where we blend."""

NETWORK = "network.network."
"""Prefix of the network's own names in the captured graph."""

SAME = 1e-5
"""Relative difference of weights that are the same but for a factor of each filter."""


def onnx_metadata(spec: Spec, windows: PredictParams | None) -> dict[str, str]:
    """Properties of a graph that takes pixels as the scene stores them.

    Args:
        spec: of the model.
        windows: the `predict` section, by whose windows others should cut; left out if unknown.

    Returns:
        Texts by name; lists and mappings are JSON, numbers of bands in the model's order.
    """
    bands = len(spec.bands)
    content: dict[str, Any] = {
        "model_type": "Segmentor",
        "class_names": {str(value): name for value, name in enumerate(spec.classes)},
        "bands": spec.bands,
        "seg_thresh": 0.0,  # the most probable class, however sure
        "seg_small_segment": 0,
        **_standardization([0.0] * bands, [1 / BYTE] * bands),
    }
    if spec.resolution_m is not None:
        content["resolution"] = round(100 * spec.resolution_m, 4)  # centimetres
    if windows is not None:
        content["tiles_size"] = windows.size
        content["tiles_overlap"] = max(OVERLAP, round(100 * windows.overlap / windows.size, 2))
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in content.items()}


def write_deepness(source: Path, target: Path) -> None:
    """Write a graph that takes pixels divided by 255, from one that takes them as stored.

    Args:
        source: an ONNX file; weights that lie beside it stay there.
        target: the file to write, in the same folder if weights lie beside the source.
    """
    model = onnx.load(source, load_external_data=False)
    stored = f"{INPUT}_stored"
    for node in model.graph.node:
        node.input[:] = [stored if name == INPUT else name for name in node.input]
    model.graph.initializer.append(numpy_helper.from_array(np.array(BYTE, np.float32), "byte"))
    model.graph.node.insert(0, helper.make_node("Mul", [INPUT, "byte"], [stored]))
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    bands = len(json.loads(metadata["bands"]))
    metadata |= {k: json.dumps(v) for k, v in _standardization([0.0] * bands, [1.0] * bands).items()}
    del model.metadata_props[:]
    for key, text in metadata.items():
        model.metadata_props.add(key=key, value=text)
    target.write_bytes(model.SerializeToString(deterministic=True))


def _standardization(mean: list[float], std: list[float]) -> dict[str, list[float]]:
    """Under the plugin's names and under plain ones."""
    return {"standardization_mean": mean, "standardization_std": std, "mean": mean, "std": std}


def share_weights(path: Path, weights: Path) -> None:
    """Take a graph's weights from a safetensors file in the same folder, wherever it has them.

    Filters that the exporter has multiplied with a batch normalisation's factors are taken
    with these as a vector. Runtimes fold the casts and products when they load the graph. What
    the file lacks stays in the graph.

    Args:
        path: of the ONNX file, which is replaced.
        weights: the safetensors file, with filters in half or full precision.
    """
    model = onnx.load(path)
    stored, start = _header(weights)
    content = weights.read_bytes()
    kept: list[TensorProto] = []
    casts = []
    for tensor in model.graph.initializer:
        entry = stored.get(tensor.name.removeprefix(NETWORK))
        shape = list(tensor.dims)
        if entry is None or len(shape) < 2 or entry["shape"] != shape or entry["dtype"] not in {"F16", "F32"}:
            kept.append(tensor)
            continue
        first, end = (start + offset for offset in entry["data_offsets"])
        kind = np.dtype("<f2" if entry["dtype"] == "F16" else "<f4")
        plain = np.frombuffer(content[first:end], kind).astype(np.float32).reshape(shape)
        factor = _factor(numpy_helper.to_array(tensor), plain)
        if factor is None:
            kept.append(tensor)
            continue
        kept.append(_external(f"{tensor.name}.stored", shape, kind, weights.name, first, end - first))
        kept.append(numpy_helper.from_array(factor, f"{tensor.name}.factor"))
        casts += [
            helper.make_node(
                "Cast", [f"{tensor.name}.stored"], [f"{tensor.name}.full"], to=TensorProto.FLOAT
            ),
            helper.make_node("Mul", [f"{tensor.name}.full", f"{tensor.name}.factor"], [tensor.name]),
        ]
    nodes = [*casts, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _factor(fused: NDArray[np.float32], plain: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """By what number each filter of `plain` is multiplied in `fused`, shaped to multiply; None if by none."""
    axes = tuple(range(1, plain.ndim))
    energy = (plain.astype(np.float64) ** 2).sum(axes, keepdims=True)
    factor = (fused.astype(np.float64) * plain).sum(axes, keepdims=True) / np.where(energy > 0, energy, 1)
    if np.abs(factor * plain - fused).max() > SAME * max(float(np.abs(fused).max()), 1e-30):
        return None
    return np.asarray(factor, np.float32)


def _external(
    name: str, shape: list[int], kind: np.dtype[Any], location: str, offset: int, length: int
) -> TensorProto:
    half = kind.itemsize == 2
    tensor = TensorProto(
        name=name,
        dims=shape,
        data_type=TensorProto.FLOAT16 if half else TensorProto.FLOAT,
        data_location=TensorProto.EXTERNAL,
    )
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """Tensors of a safetensors file by name, and where their bytes begin."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header, 8 + length
