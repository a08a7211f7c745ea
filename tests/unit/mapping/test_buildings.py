"""Buildings one by one as polygons: attached ones share their wall, whatever the windows."""

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS

from urbanseg.classes import IGNORE
from urbanseg.grid import Grid, Window
from urbanseg.mapping.buildings import polygons

GRID = Grid(CRS.from_epsg(32632), Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000), 40, 60)


@pytest.mark.parametrize("window_px", [13, 64])
def test_each_building_is_one_row_with_its_area_and_confidence(window_px: int) -> None:
    numbers = np.zeros(GRID.shape, np.uint32)
    numbers[5:25, 4:20], numbers[5:25, 20:41], numbers[30:34, 50:54] = 1, 2, 3
    confidence = np.where(numbers == 1, 254, 127).astype(np.uint8)
    confidence[5, 4] = IGNORE
    inside = np.full(GRID.shape, 127, np.uint8)
    inside[15, 30] = 254

    def made(simplify_m: float) -> list[object]:
        table = polygons(
            lambda w: numbers[w.slices],
            lambda w: confidence[w.slices],
            lambda w: inside[w.slices],
            GRID,
            simplify_m,
            window_px,
        )
        assert table["building"].tolist() == [1, 2, 3]
        assert table["area_m2"].tolist() == [80, 105, 4]
        assert np.allclose(table["confidence"], [319 / 320 / 2, 0.5, 0.25], atol=2e-3)
        assert shapely.relate_pattern(table.geometry[0], table.geometry[1], "FF2F11212")
        return table.geometry.tolist()

    assert all(a.equals(b) for a, b in zip(made(0), made(0.5), strict=True))


def test_without_buildings_the_table_is_empty() -> None:
    def nothing(window: Window) -> np.ndarray:
        return np.zeros((window.height, window.width), np.uint8)

    assert polygons(nothing, nothing, nothing, GRID, 0.0).empty
