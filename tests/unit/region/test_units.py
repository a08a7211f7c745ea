"""Hectares in units are those of their exact intersections with pixels, over all cells."""

import geopandas as gpd
import numpy as np
import pytest
import shapely

from tests.unit.region.regions import TABLE, UTM, bounds_of, grid_of
from urbanseg.calibration.forecast import BINS
from urbanseg.classes import IGNORE
from urbanseg.grid import Window
from urbanseg.mapping.zones import coverage
from urbanseg.region.units import CellRasters, hectares

SIDE = 200.0
SIZE = 20


def cells(missing=()):
    """Two by two cells of 20 × 20 pixels; class 3 is nowhere."""
    rng = np.random.default_rng(5)
    found = []
    for col, row in ((0, 0), (1, 0), (0, 1), (1, 1)):
        classes = rng.choice([0, 1, 2, IGNORE], (SIZE, SIZE)).astype(np.uint8)
        confidence = rng.integers(0, 255, (SIZE, SIZE), dtype=np.uint8)
        if (col, row) not in missing:
            grid = grid_of(bounds_of(col, row, SIDE), (SIZE, SIZE))

            def read(window, both=(classes, confidence)):
                return both[0][window.slices], both[1][window.slices]

            found.append(CellRasters(grid, read))
    return found


def units():
    left, bottom, *_ = bounds_of(0, 0, SIDE)
    middle = shapely.Point(left + 210, bottom + 190)
    box = shapely.box(left + 3, bottom + 7, left + 391, bottom + 333)
    shapes = [box, middle.buffer(77), middle.buffer(500)]
    return gpd.GeoDataFrame({"name": list("abc")}, geometry=shapes, crs=UTM, index=[7, 5, 3])


def exact(unit, class_id):
    """Hectares of a class in a unit, by intersections."""
    total = 0.0
    for cell in cells():
        classes, _ = cell.read(Window(0, 0, SIZE, SIZE))
        rows, cols = np.nonzero(classes == class_id)
        left, _, _, top = cell.grid.bounds
        pixels = shapely.box(left + 10 * cols, top - 10 * (rows + 1), left + 10 * (cols + 1), top - 10 * rows)
        total += shapely.area(shapely.intersection(pixels, unit)).sum() / 10_000
    return total


def test_each_class_has_the_area_of_the_exact_intersections():
    found = hectares(units(), cells(), TABLE, coverage)
    assert list(found.index) == [7, 5, 3]
    assert not [name for name in found if name.endswith(("low_ha", "expected_ha"))]
    for unit, row in zip(units().geometry, found.itertuples(), strict=True):
        for class_id in range(3):
            assert getattr(row, f"class{class_id}_ha") == pytest.approx(exact(unit, class_id), abs=1e-3)
        assert row.class3_ha == 0
        assert row.unknown_ha == pytest.approx(exact(unit, IGNORE), abs=1e-3)
    parts = [name for name in found if name != "area_ha"]
    np.testing.assert_allclose(found[parts].sum(axis=1), found["area_ha"], atol=1e-3)
    assert found["outside_ha"].tolist() == pytest.approx([0, 0, units().area.iloc[2] / 1e4 - 16], abs=1e-3)


def test_what_lies_in_a_missing_cell_is_outside():
    found = hectares(units(), cells({(1, 1)}), TABLE, coverage)
    left, bottom, *_ = bounds_of(1, 1, SIDE)
    lost = units().intersection(shapely.box(left, bottom, left + SIDE, bottom + SIDE)).area / 10_000
    np.testing.assert_allclose(found["outside_ha"].iloc[:2], lost.iloc[:2], atol=1e-3)


def test_without_errors_on_validation_pixels_the_range_is_the_mapped_area():
    sure = np.repeat(np.eye(4)[:, None], BINS, axis=1)
    found = hectares(units(), cells(), TABLE, coverage, sure)
    for name in TABLE.names:
        for kind in ("expected_ha", "low_ha", "high_ha"):
            np.testing.assert_allclose(found[f"{name}_{kind}"], found[f"{name}_ha"], atol=2e-4)


def test_the_range_holds_the_mapped_and_the_expected_area_and_follows_the_shares():
    shares = np.repeat(np.eye(4)[:, None], BINS, axis=1)
    shares[0, : BINS // 2] = [0.5, 0.0, 0.0, 0.5]  # half of what is doubtfully class 0 is class 3
    found = hectares(units(), cells(), TABLE, coverage, shares)
    doubtful = 2 * found["class3_expected_ha"]
    assert (doubtful > 0.1).all()
    np.testing.assert_allclose(found["class0_expected_ha"], found["class0_ha"] - doubtful / 2, atol=1e-3)
    np.testing.assert_allclose(found["class0_low_ha"], found["class0_expected_ha"], atol=1e-3)
    np.testing.assert_allclose(found["class0_high_ha"], found["class0_ha"], atol=1e-3)
    np.testing.assert_allclose(found["class3_low_ha"], 0, atol=1e-9)
    np.testing.assert_allclose(found["class3_high_ha"], doubtful / 2, atol=1e-3)
