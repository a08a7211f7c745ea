import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from urbanseg.dataset import statistics
from urbanseg.errors import PipelineError


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
