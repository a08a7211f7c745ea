from contextlib import ExitStack

import numpy as np
import pytest
from affine import Affine

from urbanseg import paths, raster
from urbanseg.classes import IGNORE
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.metrics import tally as module
from urbanseg.metrics.boundary import boundary_counts
from urbanseg.metrics.segmentation import confusion
from urbanseg.metrics.tally import Tally, tally

N, ROAD = 6, 2


def count(city: str, road: int | None = ROAD) -> Tally:
    with ExitStack() as stack:
        readers = [
            stack.enter_context(raster.reading(path(city)))
            for path in (paths.labels, paths.prediction, paths.split)
        ]
        return tally(*readers, N, tolerance_m=25, road=road)


@pytest.mark.parametrize("rows", [7, 64, 300])
def test_the_tally_of_strips_is_that_of_the_whole(city, monkeypatch, rows, reference, predicted, split):
    monkeypatch.setattr(module, "ROWS", rows)
    found = count(city)
    counted = (split == 2) & (reference != IGNORE) & (predicted != IGNORE)
    assert (found.matrix == confusion(reference[counted], predicted[counted], N)).all()
    whole = boundary_counts(reference, predicted, counted, n=N, tolerance_m=25, pixel_m=(10, 10))
    for field in ("predicted", "predicted_matched", "reference", "reference_matched"):
        assert (getattr(found.boundaries, field) == getattr(whole, field)).all()
    assert (found.reference_roads == (counted & (reference == ROAD))).all()
    assert (found.predicted_roads == (counted & (predicted == ROAD))).all()
    assert (found.area == (split == 2)).all()


def test_classes_without_roads_have_no_road_masks(city):
    found = count(city, road=None)
    assert not found.reference_roads.any()
    assert not found.predicted_roads.any()


def overwrite(path, grid, values):
    with raster.writing(path, grid, dtype="uint8", nodata=IGNORE) as target:
        target.write(np.asarray(values, np.uint8))


def test_without_a_labelled_test_pixel_there_is_one_sentence(city, grid, split):
    overwrite(paths.split(city), grid, np.zeros_like(split))
    with pytest.raises(PipelineError, match="no labelled and predicted pixel in the test split"):
        count(city)


def test_another_grid_is_refused(city, grid, predicted):
    moved = Grid(grid.crs, grid.transform @ Affine.translation(1, 0), grid.height, grid.width)
    overwrite(paths.prediction(city), moved, predicted)
    with pytest.raises(PipelineError, match="different grids"):
        count(city)


def test_a_class_id_that_is_not_in_the_table_is_refused(city, grid, predicted):
    overwrite(paths.prediction(city), grid, np.where(predicted == 3, 6, predicted))
    with pytest.raises(PipelineError, match="holds the value 6, but the class ids are 0 to 5"):
        count(city)
