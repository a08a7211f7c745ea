"""Shadows fall where geometry says they do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from urbanseg.imagery.simulated.illumination import Sun, cast_shadows, shadow_length

PIXEL = 2.0


def traced(height: np.ndarray, sun: Sun) -> np.ndarray:
    """Reference: walk from every pixel towards the sun, one pixel length at a time."""
    dark = np.zeros(height.shape, bool)
    for row, col in np.ndindex(height.shape):
        for step in range(1, 200):
            r, c = row + round(step * sun.towards[0]), col + round(step * sun.towards[1])
            if not (0 <= r < height.shape[0] and 0 <= c < height.shape[1]):
                break
            if height[r, c] > height[row, col] + np.float32(step * PIXEL * sun.slope):
                dark[row, col] = True
                break
    return dark


@given(azimuth=st.floats(0, 360), elevation=st.floats(12, 88), seed=st.integers(0, 50))
def test_shadows_are_those_of_a_ray_traced_to_the_sun(azimuth: float, elevation: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    height = np.where(rng.random((14, 17)) < 0.15, rng.uniform(2, 30, (14, 17)), 0).astype(np.float32)
    sun = Sun(azimuth, elevation)
    np.testing.assert_array_equal(cast_shadows(height, sun, PIXEL), traced(height, sun))


@pytest.mark.parametrize(("azimuth", "row", "col"), [(0, 1, 0), (90, 0, -1), (180, -1, 0), (270, 0, 1)])
def test_a_tower_throws_its_shadow_away_from_the_sun(azimuth: float, row: int, col: int) -> None:
    height = np.zeros((41, 41), np.float32)
    height[20, 20] = 10.5
    dark = cast_shadows(height, Sun(azimuth, 45), PIXEL)
    expected = {(20 + step * row, 20 + step * col) for step in range(1, 6)}
    assert {(int(r), int(c)) for r, c in np.argwhere(dark)} == expected


def test_a_shadow_reaches_as_far_as_its_height_over_the_slope() -> None:
    assert shadow_length(29.9, Sun(0, 45), 2.0) == 15
    assert shadow_length(0, Sun(0, 45), 2.0) == 0
