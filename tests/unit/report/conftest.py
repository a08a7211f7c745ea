"""The small city as fixtures, which a test may change."""

from pathlib import Path

import pytest
from affine import Affine
from pyproj import CRS

from tests.conftest import shipped_params
from tests.unit.report import small_city
from urbanseg.config.params import Params
from urbanseg.grid import Grid
from urbanseg.metrics.block_counts import CountsByBlock
from urbanseg.report.page import CityReport
from urbanseg.report.quality import Quality, read_quality
from urbanseg.report.views import RasterFiles


@pytest.fixture(scope="session")
def params() -> Params:
    return shipped_params()


@pytest.fixture
def grid() -> Grid:
    return Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 40, 60)


@pytest.fixture
def rasters(tmp_path: Path, grid: Grid) -> RasterFiles:
    return small_city.write_rasters(tmp_path, grid)


@pytest.fixture
def by_block(rasters: RasterFiles, params: Params) -> CountsByBlock:
    return small_city.count_blocks(rasters, params)


@pytest.fixture
def tables(tmp_path: Path, by_block: CountsByBlock) -> Path:
    return small_city.write_tables(tmp_path, by_block)


@pytest.fixture
def quality(tables: Path, rasters: RasterFiles, grid: Grid, params: Params) -> Quality:
    return read_quality(tables, rasters, grid, params.class_table)


@pytest.fixture
def city(rasters: RasterFiles, params: Params, quality: Quality) -> CityReport:
    return small_city.read_city(rasters, params, quality)
