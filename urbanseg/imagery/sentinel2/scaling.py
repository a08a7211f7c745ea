"""From the digital numbers of Sentinel-2 products to reflectance × 10000.

Archives differ in how they treat the offset that numbers have since processing baseline
04.00, and in where they document it; a rule gives scale and offset of an asset.
"""

import re
from collections.abc import Sequence

import numpy as np
import pystac
from numpy.typing import NDArray

from urbanseg.errors import PipelineError

OFFSET_SINCE = "04.00"
"""Processing baseline since which digital numbers are 1000 higher (25 January 2022)."""


def since_baseline(item: pystac.Item, asset: str) -> tuple[float, float]:  # noqa: ARG001, one of `SCALINGS`
    """Reflectance × 10000 is ``dn × scale + offset``; the offset is -1000 since baseline 04.00.

    https://sentiwiki.copernicus.eu/web/s2-products (Level-2A, BOA_ADD_OFFSET)
    """
    number = baseline(item)
    if not number:
        raise PipelineError(
            f"the STAC Item {item.id} does not say its processing baseline (s2:processing_baseline), so the "
            "offset of its numbers is unknown; choose another scaling"
        )
    return 1.0, -1000.0 if number >= OFFSET_SINCE else 0.0


def of_earth_search(item: pystac.Item, asset: str) -> tuple[float, float]:
    """As `since_baseline`, unless the Item says that the offset was applied when its COGs were made.

    Its ``raster:bands`` give the offset in either case
    (https://github.com/Element84/earth-search/issues/66), so they are not asked.
    """
    if item.properties.get("earthsearch:boa_offset_applied"):
        return 1.0, 0.0
    return since_baseline(item, asset)


def of_metadata(item: pystac.Item, asset: str) -> tuple[float, float]:
    """Scale and offset to reflectance as the asset's ``raster:bands`` (or STAC 1.1 ``bands``) give them."""
    fields = item.assets[asset].extra_fields
    bands = fields.get("raster:bands") or fields.get("bands") or [{}]
    said = {**fields, **bands[0]}
    scale, offset = (said.get(key, said.get(f"raster:{key}")) for key in ("scale", "offset"))
    if scale is None:
        raise PipelineError(
            f"the asset {asset} of the STAC Item {item.id} gives no scale in raster:bands; "
            "choose another scaling"
        )
    return 10000 * float(scale), 10000 * float(offset or 0)


SCALINGS = {"earth_search": of_earth_search, "baseline": since_baseline, "metadata": of_metadata}


def harmonise(numbers: NDArray[np.uint16], factors: Sequence[tuple[float, float]]) -> NDArray[np.uint16]:
    """Reflectance × 10000, at least 1, of digital numbers; 0 stays 0 (nodata).

    Args:
        numbers: ``(bands, height, width)`` uint16.
        factors: scale and offset of each band.
    """
    harmonised = np.empty_like(numbers)
    for band, (scale, offset) in enumerate(factors):
        exact = numbers[band].astype(np.float32) * np.float32(scale) + np.float32(offset)
        harmonised[band] = np.where(numbers[band] == 0, 0, np.clip(np.round(exact), 1, 65535))
    return harmonised


def baseline(item: pystac.Item) -> str:
    """Processing baseline as ``NN.NN``, empty if the Item does not say."""
    said = item.properties.get("s2:processing_baseline", "")
    number = re.fullmatch(r"(\d{1,2})\.(\d{2})", str(said))
    return f"{int(number[1]):02d}.{number[2]}" if number else ""
