"""Products that are known by the names of their files: what their bands are, and what their numbers mean.

Sources: Sentinel-2 Products Specification Document (ESA); HLS V2.0 User Guide (NASA LP DAAC); Landsat
8-9 Collection 2 Level 2 Science Product Guide (USGS); PlanetScope Imagery Product Specification (Planet);
NAIP Information Sheet (USDA).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from urbanseg.config.addresses import address

OLI = {"b01": "coastal", "b02": "blue", "b03": "green", "b04": "red", "b05": "nir", "b06": "swir16",
       "b07": "swir22"}  # fmt: skip
"""Bands of Landsat 8 and 9; their only near infrared stands for Sentinel-2's."""

TM = {"b01": "blue", "b02": "green", "b03": "red", "b04": "nir", "b05": "swir16", "b07": "swir22"}
"""Bands of Landsat 4 to 7."""

OFFSET_SINCE = 400
"""Processing baseline (× 100) from which numbers of Sentinel-2 are 1000 larger."""

BASELINE = re.compile(r"_N(\d{4})_R\d{3}_|(?:^|[^\d.])(\d\d)\.(\d\d)$")
"""In the name of a product, or as text: ``04.00``."""


@dataclass(frozen=True)
class Product:
    """A product of imagery."""

    name: str
    pattern: str
    """Of the file's path, by which it is known."""
    kind: Literal["reflectance", "toa", "radiance", "uint8"]
    scale: float = 1.0
    """A number times this, plus `offset`, is reflectance."""
    offset: float | None = 0.0
    """None where it depends on the processing baseline."""
    codes: Mapping[str, str] = field(default_factory=dict)
    """Common names of its bands by their codes, where they aren't Sentinel-2's."""
    layouts: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Common names of the bands of a file with so many."""
    nodata: float | None = 0.0


PLANET = r"_3B_AnalyticMS{}"
PLANET_BANDS = {
    4: ("blue", "green", "red", "nir"),
    8: ("coastal", "blue", "green_i", "green", "yellow", "red", "rededge", "nir"),
}
PRODUCTS = (
    Product("Sentinel-2 L2A", r"S2[A-D]_MSIL2A_|(^|/)S2[A-D]_[^/]*_L2A(/|_|\.)|"
            r"T\d\d[A-Z]{3}_\d{8}T\d{6}_\w+_\d0m\.", "reflectance", 1e-4, None),
    Product("Sentinel-2 L1C", r"S2[A-D]_MSIL1C_|T\d\d[A-Z]{3}_\d{8}T\d{6}_B\w\w\.", "toa", 1e-4, None),
    Product("HLS S30", r"(^|/)HLS\.S30\.", "reflectance", 1e-4, nodata=-9999.0),
    Product("HLS L30", r"(^|/)HLS\.L30\.", "reflectance", 1e-4, codes=OLI, nodata=-9999.0),
    Product("Landsat 8/9 Level 2", r"LC0[89]_L2S[PR]_", "reflectance", 2.75e-5, -0.2, codes=OLI),
    Product("Landsat 4-7 Level 2", r"L[TE]0[457]_L2S[PR]_", "reflectance", 2.75e-5, -0.2, codes=TM),
    Product("PlanetScope surface reflectance", PLANET.format("_SR"), "reflectance", 1e-4,
            layouts=PLANET_BANDS),
    Product("PlanetScope radiance", PLANET.format(r"(?!_SR)"), "radiance", layouts=PLANET_BANDS),
    Product("NAIP", r"(^|/)m_\d{7}_[ns][ew]_\d\d?_", "uint8", nodata=None,
            layouts={3: ("red", "green", "blue"), 4: ("red", "green", "blue", "nir")}),
)  # fmt: skip

SENTINEL2 = {
    12: ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"],
    13: ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"],
}
"""Orders of Sentinel-2's bands in files of whole numbers of 16 bits that do not name them."""

BY_WAVELENGTH = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]
BY_PIXEL_SIZE = ["B02", "B03", "B04", "B08", "B05", "B06", "B07", "B8A", "B11", "B12"]
"""The two orders of the ten bands of 10 and 20 m."""


def identify(path: Path, dtype: str) -> Product | None:
    """The product that a file is of, by its path; None if it is none that is known.

    Args:
        path: of the file, or an address.
        dtype: of its bands; pictures of 8 bits are not the product that they show.
    """
    text = address(path) or path.absolute().as_posix()
    for product in PRODUCTS:
        if re.search(product.pattern, text) and (product.kind == "uint8") == (dtype == "uint8"):
            return product
    return None


def baseline_offset(text: str) -> float | None:
    """What Sentinel-2's processing baseline adds to reflectance, 0 or −0.1; None if the text has none.

    Args:
        text: the name of a product or of its file, or a baseline such as ``05.09``.
    """
    found = BASELINE.search(text)
    if found is None:
        return None
    number = int(found[1] or found[2] + found[3])
    return -0.1 if number >= OFFSET_SINCE else 0.0
