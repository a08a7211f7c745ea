"""Images painted in the colours of classes, and an ONNX model that tells these colours apart."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from affine import Affine
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from pyproj import CRS

from urbanseg.grid import Grid
from urbanseg.infer.backends.pixels import INPUT, OUTPUT
from urbanseg.io import cog
from urbanseg.io.files import sha256
from urbanseg.model.digests import with_digests

CLASSES = ["building", "vegetation", "water", "road"]
COLORS = np.array([[200, 50, 40], [40, 160, 60], [30, 60, 180], [110, 110, 110]], np.uint8)
WEIGHTS = np.array([[2, -1, -1], [-1, 2, -1], [-1, -1, 2], [0, 0, 0]], np.float32) / 20
BIAS = np.array([0, 0, 0, 3], np.float32)
UTM = CRS.from_epsg(32640)
HEIGHT, WIDTH = 96, 128


RGB = ("red", "green", "blue")


def write_model(folder: Path, bands: Sequence[str] = RGB, **spec: object) -> Path:
    """The folder of an exported model: a convolution of single pixels, of which only colours count.

    Args:
        folder: to be made.
        bands: of the model.
        **spec: further entries of `segmenter.json`.
    """
    folder.mkdir(parents=True)
    side = ["n", len(bands), "height", "width"]
    weights = np.stack([WEIGHTS[:, RGB.index(b)] if b in RGB else 0 * BIAS for b in bands], axis=1)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", [INPUT, "weights", "bias"], ["scores"]),
            helper.make_node("Softmax", ["scores"], [OUTPUT], axis=1),
        ],
        "painted",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, side)],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [side[0], len(CLASSES), *side[2:]])],
        [
            numpy_helper.from_array(weights[:, :, None, None], "weights"),
            numpy_helper.from_array(BIAS, "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(folder / "segmenter.onnx"))
    about = {
        "bands": list(bands), "mean": [90.0] * len(bands), "std": [60.0] * len(bands), "classes": CLASSES,
        "arch": "Conv", "encoder": "none",
    } | spec  # fmt: skip
    (folder / "segmenter.json").write_text(json.dumps(about))
    sign(folder)
    return folder


def sign(folder: Path, segmenter_sha256: str = "") -> None:
    """Write the manifest of an exported model."""
    about = {"format": "onnx", "segmenter_sha256": segmenter_sha256}
    (folder / "export.json").write_text(json.dumps(with_digests(folder, "export.json", about)))


def ship(
    weights: Path,
    name: str,
    bands: Sequence[str],
    pixel_m: Sequence[float],
    version: str = "1.0",
    **spec: object,
) -> Path:
    """The folder of a packed model in a folder of such; see `write_model`."""
    folder = write_model(weights / name / version, bands, **spec)
    entries = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in sorted(folder.iterdir())
    }
    about = {
        "name": name, "version": version, "title": f"The {name}", "license": "CC0-1.0", "credit": "nobody",
        "bands": list(bands), "pixel_m": list(pixel_m), "files": entries,
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(about))
    return folder


def town() -> NDArray[np.uint8]:
    """Class ids ``(HEIGHT, WIDTH)``: two buildings, a road across, a lake, and grass."""
    classes = np.full((HEIGHT, WIDTH), 1, np.uint8)
    classes[10:40, 20:60] = 0
    classes[60:80, 10:30] = 0
    classes[60:90, 70:120] = 2
    classes[46:52] = 3
    return classes


def painted(classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image of classes, ``(3, height, width)`` uint8."""
    return np.ascontiguousarray(COLORS[classes].transpose(2, 0, 1))


def grid(pixel: float = 1.0, crs: CRS = UTM, corner: tuple[float, float] = (320_000, 2_780_000)) -> Grid:
    """Where an image lies."""
    return Grid(crs, Affine(pixel, 0, corner[0], 0, -pixel, corner[1]), HEIGHT, WIDTH)


def write_image(path: Path, where: Grid, classes: NDArray[np.uint8] | None = None, **more: object) -> Path:
    """A GeoTIFF of the town."""
    pixels = painted(town() if classes is None else classes)
    with cog.writing(
        path, where, dtype="uint8", count=3, descriptions=["red", "green", "blue"], **more
    ) as out:  # type: ignore[arg-type]
        out.write(pixels)
    return path
