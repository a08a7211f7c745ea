"""Requests to the Process API, and checks that its responses are complete.

An evalscript is JavaScript that the service runs for each pixel:
https://docs.sentinel-hub.com/api/latest/evalscript
"""

import io
import json
import tarfile
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from urbanseg.grid import Grid
from urbanseg.imagery.sentinel2.retry import ResponseError

EVALSCRIPT = """//VERSION=3
function setup() {
  return {
    input: [{bands: %(inputs)s, units: %(units)s}],
    output: %(outputs)s
  };
}

function evaluatePixel(sample) {
  var seen = sample.dataMask === 1;
  function number(reflectance) {
    return seen ? Math.min(65535, Math.max(1, Math.round(10000 * reflectance))) : 0;
  }
  return {%(bands)sscl: [seen ? sample.SCL : 0]};
}
"""
"""Reflectance × 10000 as whole numbers, at least 1 where there is data, and SCL."""


def evalscript(bands: Sequence[str]) -> str:
    """What the Process API is to compute: outputs ``bands`` (unless there are none) and ``scl``."""
    outputs = [{"id": "scl", "bands": 1, "sampleType": "UINT8"}]
    if bands:
        outputs.insert(0, {"id": "bands", "bands": len(bands), "sampleType": "UINT16"})
    numbers = ", ".join(f"number(sample.{band})" for band in bands)
    return EVALSCRIPT % {
        "inputs": json.dumps([*bands, "SCL", "dataMask"]),
        "units": json.dumps([*["REFLECTANCE"] * len(bands), "DN", "DN"]),
        "outputs": json.dumps(outputs),
        "bands": f"bands: [{numbers}], " if bands else "",
    }


def unpack(content: bytes) -> dict[str, bytes]:
    """``bands.tif`` and ``scl.tif`` of a TAR archive, by name; raises `ResponseError` if it is not whole."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            files = {member.name: archive.extractfile(member) for member in archive.getmembers()}
            unpacked = {name: file.read() for name, file in files.items() if file is not None}
    except (tarfile.TarError, EOFError) as error:
        raise ResponseError("it sent a damaged TAR archive") from error
    if lacking := {"bands.tif", "scl.tif"} - set(unpacked):
        raise ResponseError(f"its TAR archive lacks {', '.join(sorted(lacking))}")
    return unpacked


def decode(content: bytes, count: int, grid: Grid) -> NDArray[np.uint16]:
    """Pixels of a TIFF.

    Args:
        content: the file's bytes.
        count: number of bands that were asked for.
        grid: of the image that was asked for.

    Returns:
        ``(count, height, width)`` uint16.

    Raises:
        ResponseError: if the TIFF is damaged, or has another shape.
    """
    try:
        with MemoryFile(content) as file, file.open() as image:
            if (image.count, *image.shape) != (count, *grid.shape):
                raise ResponseError(
                    f"it sent {image.count} bands of {image.width} × {image.height} pixels where {count} of "
                    f"{grid.width} × {grid.height} were asked for"
                )
            return np.asarray(image.read(), dtype=np.uint16)
    except RasterioError as error:
        raise ResponseError("it sent a damaged TIFF") from error
