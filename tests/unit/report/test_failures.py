from pathlib import Path

import numpy as np
import pytest
from pyproj import Transformer

from urbanseg.config.params import Params
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window
from urbanseg.metrics.block_counts import CountsByBlock
from urbanseg.report.failures import GAP, HEAD, PANELS, SIDE, confused_cells, sheet, strips, worst_cells
from urbanseg.report.quality import Quality, read_quality
from urbanseg.report.views import RasterFiles


def test_the_worst_cells_come_first_and_perfect_ones_not_at_all(by_block: CountsByBlock, grid: Grid) -> None:
    found = worst_cells(by_block, grid)
    assert [failure.window.row for failure in found] == [0, 20]
    assert found[0].accuracy < 0.3
    assert 0.99 < found[1].accuracy < 1
    by_block.pixels[1] = np.diag(by_block.pixels[1].sum(axis=1))
    assert len(worst_cells(by_block, grid)) == 1
    assert worst_cells(by_block, grid, most=0) == []


def test_a_cell_with_few_pixels_says_little(by_block: CountsByBlock, grid: Grid) -> None:
    by_block.pixels[0] = 0
    by_block.pixels[0, 1, 2] = 99
    assert [failure.window.row for failure in worst_cells(by_block, grid)] == [20]


def test_a_failure_says_its_place_and_its_most_frequent_mistake(by_block: CountsByBlock, grid: Grid) -> None:
    by_block.pixels[0] = 0
    by_block.pixels[0, 2, 2], by_block.pixels[0, 5, 1] = 300, 100
    failure = worst_cells(by_block, grid, most=2)[0]
    assert failure.mistake == "25% are bare soil taken for building"
    assert failure.pixels == 400
    place = Transformer.from_crs(32632, 4326, always_xy=True).transform(500_500, 5_399_900)
    assert (failure.longitude, failure.latitude) == pytest.approx(place)


def test_the_sheet_shows_four_pictures_of_each_failure(
    by_block: CountsByBlock, grid: Grid, rasters: RasterFiles, params: Params
) -> None:
    found = worst_cells(by_block, grid)
    picture = sheet(rasters, params.class_table, found)
    assert picture.shape == (HEAD + 2 * (HEAD + SIDE + GAP), GAP + len(PANELS) * (SIDE + GAP), 3)
    rows = [slice(2 * HEAD + i * (HEAD + SIDE + GAP), None) for i in range(2)]
    labels, mapped = (slice(GAP + i * (SIDE + GAP), GAP + i * (SIDE + GAP) + SIDE) for i in (1, 2))
    same = [
        (picture[rows[i]][:SIDE, labels] == picture[rows[i]][:SIDE, mapped]).all(axis=2).mean()
        for i in range(2)
    ]
    assert same[0] < 0.3
    assert same[1] > 0.99
    assert (picture == sheet(rasters, params.class_table, found)).all()
    for row, strip in zip(rows, strips(picture, 2), strict=True):
        assert (strip == picture[row][:SIDE, GAP:-GAP]).all()


def test_narrow_cells_keep_their_proportions(
    rasters: RasterFiles, params: Params, by_block: CountsByBlock, grid: Grid
) -> None:
    by_block.cells[0] = Window(0, 40, 20, 5)
    picture = sheet(rasters, params.class_table, worst_cells(by_block, grid)[:1])
    panel = picture[2 * HEAD : 2 * HEAD + SIDE, GAP : GAP + SIDE]
    assert (panel[:, SIDE // 4 :] == 255).all()
    assert not (panel[:, : SIDE // 4] == 255).all()


def test_a_confusion_is_shown_where_it_is_most_frequent(by_block: CountsByBlock) -> None:
    by_block.pixels[:] = 0
    by_block.pixels[0, 2, 5], by_block.pixels[1, 2, 5], by_block.pixels[1, 5, 2] = 3, 7, 1
    first, second = by_block.cells
    assert confused_cells(by_block) == {(2, 5): [second, first], (5, 2): [second]}
    assert confused_cells(by_block, most=1)[2, 5] == [second]


def test_the_diagrams_hold_what_the_tables_say(quality: Quality) -> None:
    (_, lines, drawing), (_, classes, _) = quality.charts
    assert lines == [("map", 0), ("ideal", 1)]
    assert classes == [("road", "#505050"), ("bare soil", "#f7ce44")]
    assert ">confidence</text>" in drawing
    assert "map from 0.45 to 0.8" in drawing
    assert quality.sheet is not None
    assert len(quality.failures) == 2


def test_a_damaged_table_is_named(tables: Path, rasters: RasterFiles, grid: Grid, params: Params) -> None:
    (tables / "reliability.csv").write_text("a,b\n1,2\n")
    with pytest.raises(PipelineError, match=r"reliability\.csv is no table of confidence and accuracy"):
        read_quality(tables, rasters, grid, params.class_table)
