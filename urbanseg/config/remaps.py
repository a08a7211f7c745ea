"""Tables from the values of well-known land-cover products to our class names, by name.

`ValueTable` and `MaskTable` take them by name, or tables of the user's own.

They name the classes of the default class table. Where a product has one class for what
we keep apart (built-up land is building, road and yard), the table says `other`, so that
OpenStreetMap in a layer above can decide; snow and nodata are `ignore`.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from urbanseg.config.base import Whole

ClassName = str
Table = Mapping[int | str, str]

WORLDCOVER: Table = {
    0: "ignore",
    10: "vegetation",  # tree cover
    20: "vegetation",  # shrubland
    30: "vegetation",  # grassland
    40: "vegetation",  # cropland
    50: "other",  # built-up
    60: "bare_soil",  # bare, sparse vegetation
    70: "ignore",  # snow and ice
    80: "water",  # permanent water bodies
    90: "vegetation",  # herbaceous wetland
    95: "vegetation",  # mangroves
    100: "vegetation",  # moss and lichen
}
"""ESA WorldCover 10 m, 2020 and 2021: https://esa-worldcover.org (Product User Manual, table 2)."""

NLCD: Table = {
    0: "ignore",
    11: "water",
    12: "ignore",  # perennial ice and snow
    21: "vegetation",  # developed, open space: mostly lawns
    22: "other",  # developed, low intensity
    23: "other",  # developed, medium intensity
    24: "other",  # developed, high intensity
    31: "bare_soil",
    41: "vegetation",
    42: "vegetation",
    43: "vegetation",
    51: "vegetation",  # dwarf scrub, Alaska
    52: "vegetation",
    71: "vegetation",
    72: "vegetation",  # sedge, Alaska
    73: "vegetation",  # lichens, Alaska
    74: "vegetation",  # moss, Alaska
    81: "vegetation",
    82: "vegetation",
    90: "vegetation",
    95: "vegetation",
    250: "ignore",
}
"""USGS National Land Cover Database: https://www.mrlc.gov/data/legends/national-land-cover-database-class-legend-and-description."""

LANDCOVER_AI: Table = {0: "other", 1: "building", 2: "vegetation", 3: "water", 4: "road"}
"""LandCover.ai v1: background, building, woodland, water, road: https://landcover.ai.linuxpolska.com.

Its background holds meadows and fields too, so its vegetation is woodland alone.
"""

URBAN_ATLAS: Table = {
    0: "ignore",
    11100: "other",  # continuous urban fabric
    11210: "other",
    11220: "other",
    11230: "other",
    11240: "other",
    11300: "other",  # isolated structures
    12100: "other",  # industrial, commercial, public
    12210: "road",  # fast transit roads
    12220: "road",  # other roads
    12230: "other",  # railways
    12300: "other",  # ports
    12400: "other",  # airports
    13100: "bare_soil",  # mineral extraction and dump sites
    13300: "bare_soil",  # construction sites
    13400: "bare_soil",  # land without current use
    14100: "vegetation",  # green urban areas
    14200: "vegetation",  # sports and leisure
    21000: "vegetation",
    22000: "vegetation",
    23000: "vegetation",
    24000: "vegetation",
    25000: "vegetation",
    31000: "vegetation",
    32000: "vegetation",
    33000: "bare_soil",  # open spaces with little or no vegetation
    40000: "vegetation",  # wetlands
    50000: "water",
    91000: "ignore",
    92000: "ignore",
}
"""Copernicus Urban Atlas 2012 and 2018, rasterized with its five-digit codes: https://land.copernicus.eu/local/urban-atlas."""

DEEPGLOBE: Table = {
    "#00ffff": "other",  # urban land
    "#ffff00": "vegetation",  # agriculture
    "#ff00ff": "vegetation",  # rangeland
    "#00ff00": "vegetation",  # forest
    "#0000ff": "water",
    "#ffffff": "bare_soil",
    "#000000": "ignore",
}
"""DeepGlobe Land Cover Classification, colour masks: Demir et al. 2018, table 2 (arXiv:1805.06561)."""

TABLES: Mapping[str, Table] = {
    "worldcover": WORLDCOVER,
    "nlcd": NLCD,
    "landcover_ai": LANDCOVER_AI,
    "urban_atlas": URBAN_ATLAS,
    "deepglobe": DEEPGLOBE,
}


def _table(value: Any) -> Any:
    """A remap table, or the one of that name; colours in lower case, digits in quotes as numbers."""
    if isinstance(value, str):
        if value not in TABLES:
            raise ValueError(f"must be a table, or the name of one: {', '.join(TABLES)}")
        value = TABLES[value]
    if not isinstance(value, dict):
        return value
    return {_key(key): name for key, name in value.items()}


def _key(key: Any) -> Any:
    if not isinstance(key, str):
        return key
    return int(key) if re.fullmatch(r"-?[0-9]{1,12}", key) else key.lower()


def _one_kind(table: dict[int | str, ClassName]) -> dict[int | str, ClassName]:
    """A table whose keys are all whole numbers or all colours."""
    colors = [isinstance(key, str) and re.fullmatch(r"#[0-9a-f]{6}", key) is not None for key in table]
    numbers = [isinstance(key, int) for key in table]
    if not all(colors) and not all(numbers):
        raise ValueError("keys must all be whole numbers, or all colours such as #3c1098 in quotes")
    return table


PixelValue = Annotated[Whole, Field(ge=-(2**31), lt=2**32)]

ValueTable = Annotated[dict[PixelValue, ClassName], BeforeValidator(_table), Field(min_length=1)]
MaskTable = Annotated[
    dict[PixelValue | str, ClassName], BeforeValidator(_table), Field(min_length=1), AfterValidator(_one_kind)
]
