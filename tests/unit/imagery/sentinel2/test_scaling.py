"""Digital numbers become reflectance × 10000, whatever their offset."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pystac
import pytest
from hypothesis import given
from hypothesis import strategies as st

from urbanseg.errors import PipelineError
from urbanseg.imagery.sentinel2 import scaling

BANDS = {"raster:bands": [{"scale": 0.0001, "offset": -0.1}]}


def item(properties: dict[str, Any], asset: dict[str, Any] | None = None) -> pystac.Item:
    made = pystac.Item("i", None, None, datetime(2023, 6, 14, tzinfo=UTC), properties)
    made.add_asset("red", pystac.Asset("red.tif", extra_fields=asset or {}))
    return made


@pytest.mark.parametrize(
    ("rule", "properties", "asset", "factors"),
    [
        ("baseline", {"s2:processing_baseline": "03.01"}, {}, (1, 0)),
        ("baseline", {"s2:processing_baseline": "04.00"}, {}, (1, -1000)),
        ("baseline", {"s2:processing_baseline": "05.11"}, BANDS, (1, -1000)),
        ("earth_search", {"s2:processing_baseline": "02.14"}, BANDS, (1, 0)),
        ("earth_search", {"s2:processing_baseline": "05.09"}, BANDS, (1, -1000)),
        (
            "earth_search",
            {"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": False},
            BANDS,
            (1, -1000),
        ),
        (
            "earth_search",
            {"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": True},
            BANDS,
            (1, 0),
        ),
        ("metadata", {}, BANDS, (1, -1000)),
        ("metadata", {}, {"raster:bands": [{"scale": 0.0000275, "offset": -0.2}]}, (0.275, -2000)),
        ("metadata", {}, {"raster:scale": 0.0001, "raster:offset": -0.1}, (1, -1000)),
        ("metadata", {}, {"bands": [{"name": "B04", "raster:scale": 0.0001}]}, (1, 0)),
    ],
)
def test_scale_and_offset_follow_the_profile(
    rule: str, properties: dict[str, Any], asset: dict[str, Any], factors: tuple[float, float]
) -> None:
    assert scaling.SCALINGS[rule](item(properties, asset), "red") == pytest.approx(factors)


@pytest.mark.parametrize("rule", ["baseline", "earth_search", "metadata"])
def test_numbers_of_unknown_scale_are_refused(rule: str) -> None:
    with pytest.raises(PipelineError, match=r"STAC Item i .*choose another scaling"):
        scaling.SCALINGS[rule](item({}), "red")


@given(st.integers(0, 65535))
def test_nodata_stays_and_data_never_becomes_nodata(number: int) -> None:
    (harmonised,) = scaling.harmonise(np.array([[[number]]], np.uint16), [(1.0, -1000.0)]).ravel()
    assert harmonised == (0 if number == 0 else max(1, number - 1000))


def test_large_numbers_stop_at_the_largest() -> None:
    assert scaling.harmonise(np.array([[[60000]]], np.uint16), [(2.0, 0.0)]).item() == 65535
