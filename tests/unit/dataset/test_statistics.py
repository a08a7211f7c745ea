from contextlib import ExitStack

import numpy as np
import pandas as pd
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pyproj import CRS

from urbanseg.classes import ClassTable, LandClass
from urbanseg.dataset import statistics
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.io import cog, raster


def table(**columns):
    n = len(columns["split"])
    filled = {"row": range(n), "col": [0] * n, "valid_share": [1.0] * n, "px_a": [1] * n, "px_b": [0] * n}
    return pd.DataFrame({**filled, **columns})


@given(arrays(np.uint16, st.tuples(st.integers(1, 4), st.integers(2, 60))), st.integers(1, 59))
def test_statistics_over_parts_are_those_of_the_whole(pixels, cut):
    bands = statistics.BandMoments()
    bands.add(pixels[:, :cut])
    bands.add(pixels[:, cut:])
    np.testing.assert_allclose(bands.mean, pixels.mean(axis=1, dtype=float), rtol=1e-9)
    expected = pixels.std(axis=1, dtype=float)
    spread = expected > 1
    np.testing.assert_allclose(np.array(bands.std)[spread], expected[spread], rtol=1e-3)


def test_a_constant_band_can_be_divided_by():
    bands = statistics.BandMoments()
    bands.add(np.full((1, 10), 700, np.uint16))
    assert bands.std == [1.0]


def test_tiles_with_too_few_labels_are_left_out():
    tables = {
        "b": table(split=["train", "test", "val"], valid_share=[0.2, 1, 0.5]),
        "a": table(split=["val", "train"]),
    }
    tiles, left_out = statistics.collect_tiles(tables, 0.5)
    assert left_out == 1
    assert list(zip(tiles["city"], tiles["split"], strict=True)) == [
        ("a", "val"),
        ("a", "train"),
        ("b", "test"),
        ("b", "val"),
    ]


def test_an_empty_split_is_an_error_that_says_what_to_change():
    with pytest.raises(PipelineError, match=r"no val tile.*tiles\.block"):
        statistics.require_splits(table(split=["train", "train"]))


def test_cities_with_other_bands_are_named():
    with pytest.raises(PipelineError, match="x has the bands B02, B03 but y has red, green"):
        statistics.require_same_bands({"x": ("B02", "B03"), "y": ("red", "green")})


def test_class_shares_add_up_to_one_in_each_split():
    shares = statistics.class_shares(table(split=["train", "val"], px_a=[30, 5], px_b=[10, 0]), ["a", "b"])
    assert shares == {"train": {"a": 0.75, "b": 0.25}, "val": {"a": 1.0, "b": 0.0}}


def test_what_is_no_number_counts_in_no_statistics(tmp_path):
    grid = Grid(CRS.from_epsg(32632), Affine(10, 0, 5e5, 0, -10, 5e6), 4, 6)
    scene = np.full((2, 4, 6), 3, np.float32)
    scene[0, 0], scene[1, 1], scene[:, 2] = np.inf, np.nan, np.finfo(np.float32).min
    layers = {"scene": scene, "labels": np.zeros((1, 4, 6), np.uint8), "split": np.zeros((1, 4, 6), np.uint8)}
    for name, values in layers.items():
        with cog.writing(tmp_path / f"{name}.tif", grid, dtype=values.dtype, count=len(values)) as file:
            file.write(values)
    moments = statistics.BandMoments()
    with ExitStack() as opened:
        readers = [opened.enter_context(raster.reading(tmp_path / f"{name}.tif")) for name in layers]
        statistics.add_train_pixels(moments, *readers, "town")
    assert moments.count == 6
    assert moments.mean == [3, 3]


def test_colours_and_names_of_classes_are_no_part_of_what_training_depends_on(tmp_path):
    grid = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 600, 30)
    codes = np.random.default_rng(0).integers(0, 2, grid.shape, dtype=np.uint8)
    other = codes.copy()
    other[599, 29] ^= 1
    made = {"first": ("#505050", codes), "recoloured": ("#7f8c8d", codes), "other": ("#505050", other)}
    digests = {}
    for name, (color, values) in made.items():
        path = tmp_path / f"{name}.tif"
        classes = ClassTable((LandClass(0, "other", "#e8e8e8"), LandClass(1, "road", color, name)))
        with cog.writing(path, grid, dtype="uint8", nodata=255, classes=classes) as file:
            file.write(values)
        with raster.reading(path) as labels:
            digests[name] = statistics.code_digest(labels)
    assert digests["first"] == digests["recoloured"] != digests["other"]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_percentiles_of_each_band_become_0_and_1(dtype):
    rng = np.random.default_rng(1)
    spread = {"uint8": (0, 255), "uint16": (0, 9000), "int16": (-3000, 3000), "float32": (-25, 3)}[dtype]
    pixels = rng.uniform(*spread, (2, 40_000)).astype(dtype)
    pixels[1] = 7
    found = statistics.Percentiles(low=2, high=98)
    for part in np.split(pixels, 4, axis=1):
        found.add(part)
    low, high = np.percentile(pixels[0].astype(float), [2, 98], method="inverted_cdf")
    near = 0.01 * (spread[1] - spread[0]) if dtype == "float32" else 0
    assert found.mean == pytest.approx([low, 7], abs=near or 1e-9, rel=0.004)
    assert found.std == pytest.approx([high - low, 1.0], abs=near or 1e-9)


def test_a_divisor_is_taken_as_it_is_and_pixels_are_counted():
    found = statistics.Divisors(divisors=(3000.0, 6000.0))
    found.add(np.ones((2, 5), np.uint16))
    assert (found.count, found.mean, found.std) == (5, [0.0, 0.0], [3000.0, 6000.0])
