from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS
from sklearn.metrics import f1_score, jaccard_score

from urbanseg.classes import IGNORE
from urbanseg.grid import Grid, blocks
from urbanseg.io import cog, raster
from urbanseg.metrics.batches import batch_scores

IDS = [10, 20, 80, 95]
GRID = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 48, 32)


def written(path: Path, values: np.ndarray) -> Path:
    with cog.writing(path, GRID, dtype="uint8", nodata=IGNORE) as file:
        file.write(values)
    return path


@pytest.mark.parametrize("size", [1, 2, 4, 100])
def test_it_is_what_scikit_learn_gives_for_each_batch_averaged(tmp_path, size):
    rng = np.random.default_rng(3)
    own, mapped = (rng.choice([*IDS, IGNORE], GRID.shape, p=[0.6, 0.3, 0.07, 0, 0.03]) for _ in range(2))
    own[:16, :16] = 95  # a class of one image alone
    laid = blocks(GRID.shape, 16)
    files = written(tmp_path / "own.tif", own), written(tmp_path / "mapped.tif", mapped)
    with raster.reading(files[0]) as labels, raster.reading(files[1]) as prediction:
        found = batch_scores(labels, prediction, laid, size, IDS)
    expected = []
    for first in range(0, len(laid), size):
        pixels = [
            np.concatenate([values[w.slices].ravel() for w in laid[first : first + size]])
            for values in (own, mapped)
        ]
        known = (pixels[0] != IGNORE) & (pixels[1] != IGNORE)
        truth, said = (each[known] for each in pixels)
        expected.append(
            [score(truth, said, average="macro", zero_division=0) for score in (jaccard_score, f1_score)]
        )
    assert found["batches"] == len(expected) == -(-len(laid) // size)
    assert [found["iou"], found["f1"]] == pytest.approx(np.mean(expected, axis=0).tolist(), abs=1e-6)


def test_without_a_pixel_that_counts_there_is_no_score(tmp_path):
    path = written(tmp_path / "own.tif", np.full(GRID.shape, IGNORE))
    with raster.reading(path) as labels:
        found = batch_scores(labels, labels, blocks(GRID.shape, 16), 2, IDS)
    assert found == {"size": 2, "batches": 0, "iou": None, "f1": None}
