"""Clouds and what is beside them are not labelled, whichever way they are found."""

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window
from urbanseg.labels import cloud_masks

GRID = Grid(CRS.from_epsg(32635), Affine(10, 0, 385_000, 0, -10, 6_673_000), 60, 50)


@given(st.integers(0, 2**32 - 1), st.floats(0, 4))
def test_unusable_pixels_grow_by_a_disk(seed: int, radius: float) -> None:
    scl = np.random.default_rng(seed).choice([4, 5, 6, 8], (9, 8), p=[0.5, 0.3, 0.18, 0.02]).astype(np.uint8)
    bad = np.argwhere(scl == 8)
    expected = [
        [any(np.hypot(row - r, col - c) <= radius for r, c in bad) for col in range(8)] for row in range(9)
    ]
    np.testing.assert_array_equal(cloud_masks.unusable(scl, [3, 8, 9], radius), expected)


@given(st.integers(0, 2**32 - 1), st.floats(0, 4), st.integers(1, 12))
def test_a_halo_of_the_radius_makes_clouds_grow_across_windows(seed: int, radius: float, size: int) -> None:
    scl = np.where(np.random.default_rng(seed).random((13, 11)) < 0.03, 8, 4).astype(np.uint8)
    whole = cloud_masks.unusable(scl, [8], radius)
    for row in range(0, 13, size):
        for col in range(0, 11, size):
            window = Window(row, col, min(size, 13 - row), min(size, 11 - col))
            wider, inner = window.grown(int(np.ceil(radius)), scl.shape)
            part = cloud_masks.unusable(scl[wider.slices], [8], radius)[inner.slices]
            np.testing.assert_array_equal(part, whole[window.slices])


# reflectance × 10000 in the order of S2CLOUDLESS_BANDS
CLEAR = dict(
    zip(cloud_masks.S2CLOUDLESS_BANDS, [1200, 900, 600, 900, 2800, 3000, 700, 15, 1800, 1000], strict=True)
)
CLOUD = dict(
    zip(
        cloud_masks.S2CLOUDLESS_BANDS,
        [6500, 6400, 6500, 6600, 6900, 7000, 2500, 300, 4200, 3300],
        strict=True,
    )
)


@pytest.fixture
def scene() -> np.ndarray:
    """A meadow with one cloud, in thirteen bands that are not in s2cloudless's order."""
    pixels = np.zeros((13, *GRID.shape), np.uint16)
    for number, band in enumerate(BANDS):
        pixels[number] = CLEAR.get(band, 500)
        pixels[number, 20:35, 10:30] = CLOUD.get(band, 6000)
    return pixels + np.random.default_rng(0).integers(0, 40, pixels.shape).astype(np.uint16)


BANDS = ["B12", "B11", "B10", "B09", "B8A", "B08", "B07", "B06", "B05", "B04", "B03", "B02", "B01"]


def test_s2cloudless_finds_the_cloud_in_any_order_of_bands(scene: np.ndarray) -> None:
    pytest.importorskip("s2cloudless")

    def read(window: Window, numbers: list[int]) -> np.ndarray:
        return scene[[number - 1 for number in numbers]][:, *window.slices]

    found = cloud_masks.s2cloudless_mask(read, BANDS, GRID, 0.4, 0)(Window(0, 0, *GRID.shape))
    assert found[22:33, 12:28].all()
    assert not found[:14].any()
    assert not found[:, 37:].any()

    wider = cloud_masks.s2cloudless_mask(read, BANDS, GRID, 0.4, 30)
    whole = wider(Window(0, 0, *GRID.shape))
    assert whole.sum() > found.sum()
    for window in (Window(0, 0, 25, 20), Window(25, 13, 35, 37), Window(18, 7, 1, 3)):
        np.testing.assert_array_equal(wider(window), whole[window.slices])


def test_s2cloudless_without_its_bands_is_one_sentence() -> None:
    without = [band for band in BANDS if band not in {"B10", "B09"}]
    with pytest.raises(PipelineError, match="the scene lacks B09, B10; add them"):
        cloud_masks.s2cloudless_mask(lambda *_: np.zeros(0), without, GRID, 0.4, 0)
