import numpy as np
import pytest
from affine import Affine
from scipy import ndimage

from stages.evaluate import plan
from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.config import params
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window, blocks
from urbanseg.io import cog
from urbanseg.metrics.accumulate import SceneCounts, accumulate
from urbanseg.metrics.boundary import band_counts, boundary_counts
from urbanseg.metrics.calibration import confidence_counts
from urbanseg.metrics.counting import Files, Plan
from urbanseg.metrics.roads import compare_masks
from urbanseg.metrics.segmentation import confusion

N, BUILDING, ROAD = 6, 1, 2


@pytest.fixture
def wanted(settings: params.Params, grid: Grid) -> Plan:
    return plan(settings, grid)


def count(city: str, wanted: Plan, laid: list[Window], workers: int = 1) -> SceneCounts:
    return accumulate(
        Files(paths.labels(city), paths.prediction(city), paths.confidence(city), paths.split(city)),
        laid,
        wanted,
        workers,
    )


@pytest.mark.parametrize("size", [64, 97, 300])
def test_the_counts_of_blocks_are_those_of_the_whole(
    city, wanted, size, grid, reference, predicted, certainty, split
):
    found = count(city, wanted, blocks(grid.shape, size))
    counted = (split == 2) & (reference != IGNORE) & (predicted != IGNORE)
    assert (found.pixels.sum(axis=0) == confusion(reference[counted], predicted[counted], N)).all()
    whole = {"n": N, "pixel_m": (10, 10)}
    for name, tolerance in {"": 10, "1px": 10, "3px": 30, "25m": 25}.items():
        ours = found.tolerances[name] if name else found.outlines.total()
        expected = boundary_counts(reference, predicted, counted, tolerance_m=tolerance, **whole)
        for side in ("predicted", "predicted_matched", "reference", "reference_matched"):
            assert (getattr(ours, side) == getattr(expected, side)).all()
    bands = band_counts(reference, predicted, counted, width_m=10, **whole)
    assert (found.bands.both == bands.both).all()
    assert (found.bands.reference == bands.reference).all()
    of_map = confidence_counts(reference[counted], predicted[counted], certainty[counted], N)
    assert (found.confidence == of_map).all()
    assert (found.mapped == np.bincount(predicted[predicted != IGNORE], minlength=N)).all()
    houses = [ndimage.label(counted & (classes == BUILDING))[1] for classes in (reference, predicted)]
    assert [found.buildings.reference.sum(), found.buildings.predicted.sum()] == houses


def test_roads_are_scored_block_by_block(city, wanted, grid, reference, predicted, certainty, split):
    found = count(city, wanted, blocks(grid.shape, 100))
    counted = (split == 2) & (reference != IGNORE) & (predicted != IGNORE)
    assert len(found.blocks) == len(found.roads) > 3
    probability = np.where(predicted == ROAD, certainty, np.uint8(254) - certainty)
    for block, ours in zip(found.blocks, found.roads, strict=True):
        masks = [(counted & (classes == ROAD))[block.slices] for classes in (reference, predicted)]
        expected = compare_masks(
            *masks, probability[block.slices], (10, 10), wanted.road_rules, wanted.road_repair
        )
        assert ours == expected


def test_cells_partition_the_test_blocks_and_hold_their_own_pixels(
    city, wanted, grid, reference, predicted, split
):
    found = count(city, wanted, blocks(grid.shape, 150))
    counted = (split == 2) & (reference != IGNORE) & (predicted != IGNORE)
    seen = np.zeros(grid.shape, int)
    for cell, pixels, outlined in zip(found.cells, found.pixels, found.outlines.reference, strict=True):
        seen[cell.slices] += 1
        inside = counted[cell.slices]
        assert (pixels == confusion(reference[cell.slices][inside], predicted[cell.slices][inside], N)).all()
        assert outlined.sum() <= inside.sum()
    assert (seen[:, 90:] == 1).all()
    assert {side for cell in found.cells for side in cell[2:]} <= set(range(32, 64))
    assert len(found.buildings.reference) == len(found.cells)


def test_the_number_of_processes_changes_nothing(city, wanted, grid):
    one, two = (count(city, wanted, blocks(grid.shape, 64), workers) for workers in (1, 2))
    assert one.cells == two.cells
    assert (one.pixels == two.pixels).all()
    assert one.roads == two.roads
    assert (one.confidence == two.confidence).all()
    assert (one.buildings.reference_matched == two.buildings.reference_matched).all()


def test_an_error_in_a_process_is_the_same_sentence(city, wanted, grid, predicted):
    overwrite(paths.prediction(city), grid, np.where(predicted == 3, 6, predicted))
    with pytest.raises(PipelineError, match="holds the value 6, but the class ids are 0 to 5"):
        count(city, wanted, blocks(grid.shape, 64), workers=2)


def overwrite(path, grid, values):
    with cog.writing(path, grid, dtype="uint8", nodata=IGNORE) as target:
        target.write(np.asarray(values, np.uint8))


def test_without_a_labelled_test_pixel_there_is_one_sentence(city, wanted, grid, split, reference):
    overwrite(paths.labels(city), grid, np.full_like(reference, IGNORE))
    with pytest.raises(PipelineError, match="no labelled and predicted pixel in the test split"):
        count(city, wanted, blocks(grid.shape, 64))
    overwrite(paths.split(city), grid, np.zeros_like(split))
    with pytest.raises(PipelineError, match="no labelled and predicted pixel in the test split"):
        count(city, wanted, blocks(grid.shape, 64))


def test_another_grid_is_refused(city, wanted, grid, predicted):
    moved = Grid(grid.crs, grid.transform @ Affine.translation(1, 0), grid.height, grid.width)
    overwrite(paths.prediction(city), moved, predicted)
    with pytest.raises(PipelineError, match="different grids"):
        count(city, wanted, blocks(grid.shape, 64))


def test_a_predicted_pixel_without_confidence_is_refused(city, wanted, grid, certainty):
    overwrite(paths.confidence(city), grid, np.full_like(certainty, IGNORE))
    with pytest.raises(PipelineError, match=r"confidence\.tif has no value where .*classes\.tif has a class"):
        count(city, wanted, blocks(grid.shape, 64))
