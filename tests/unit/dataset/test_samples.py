import numpy as np
import pandas as pd
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from urbanseg.classes import IGNORE
from urbanseg.dataset.samples import pad, read_spread
from urbanseg.grid import Grid, Window
from urbanseg.io import cog


def test_tiles_are_read_spread_over_their_split_and_padded(tmp_path):
    grid = Grid(CRS(32632), Affine(10, 0, 500000, 0, -10, 5400000), 40, 64)
    with cog.writing(tmp_path / "scene.tif", grid, dtype="uint16", count=2) as writer:
        writer.write(np.arange(2 * 40 * 64, dtype=np.uint16).reshape(2, 40, 64), Window(0, 0, 40, 64))
    with cog.writing(tmp_path / "labels.tif", grid, dtype="uint8", nodata=IGNORE) as writer:
        writer.write(np.ones((40, 64), np.uint8), Window(0, 0, 40, 64))
    rows = [("x", 8 * (i // 4), 16 * (i % 4), 8, 16, "val") for i in range(20)]
    rows.append(("x", 0, 0, 8, 16, "train"))
    table = pd.DataFrame(rows, columns=["city", "row", "col", "height", "width", "split"])
    paths = {"scene_of": lambda _: tmp_path / "scene.tif", "labels_of": lambda _: tmp_path / "labels.tif"}

    found = read_spread(table, "val", 3, 16, **paths)
    assert [int(pixels[0, 0, 0]) for pixels, _ in found] == [0, 64 * 16 + 16, 64 * 32 + 48]
    for pixels, labels in found:
        assert pixels.shape == (2, 16, 16)
        assert (pixels[:, 8:15] == pixels[:, 6::-1]).all()
        assert (labels[:8] == 1).all()
        assert (labels[8:] == IGNORE).all()
    assert len(read_spread(table, "val", 100, 16, **paths)) == 20


@given(st.integers(1, 20), st.integers(1, 20))
def test_padding_keeps_the_content_and_reaches_the_size(height, width):
    array = np.arange(height * width).reshape(1, height, width)
    padded = pad(array, 16, mode="reflect")
    assert padded.shape == (1, max(16, height), max(16, width))
    assert (padded[:, :height, :width] == array).all()
