"""Open rasters are kept for whichever thread comes next, and closed by any."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from affine import Affine

pytest.importorskip("fastapi", reason="the extra review is not installed")

from urbanseg.review.readers import Readers


def test_a_raster_that_one_thread_opened_is_read_and_closed_by_others(tmp_path):
    path, readers = tmp_path / "a.tif", Readers()
    profile = {"driver": "GTiff", "width": 4, "height": 3, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, transform=Affine(1, 0, 9, 0, -1, 9)) as raster:
        raster.write(np.full((1, 3, 4), 7, np.uint8))

    def read():
        with readers.reading(path) as dataset:
            return dataset, int(dataset.read(1).sum())

    found = []
    for _ in range(2):
        with ThreadPoolExecutor(1) as other:
            found.append(other.submit(read).result())
    assert [total for _, total in found] == [84, 84]
    assert found[0][0] is found[1][0]
    readers.close()
    assert found[0][0].closed
