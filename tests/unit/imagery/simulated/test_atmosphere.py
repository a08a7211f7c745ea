"""Clouds cover what was asked for, and shade the ground away from the sun."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from urbanseg.grid import Window
from urbanseg.imagery.simulated.atmosphere import CELL_PX, CLOUD_BASE_M, sky
from urbanseg.imagery.simulated.illumination import Sun

SUN = Sun(158, 62)
WHOLE = Window(0, 0, 400, 500)


@settings(max_examples=6)
@given(share=st.floats(0, 1), seed=st.integers(0, 30))
def test_clouds_cover_the_share_of_the_scene_that_was_asked_for(share: float, seed: int) -> None:
    clouds = sky(WHOLE[2:], share, 0.0, SUN, 10, seed).opacity(WHOLE) > 0
    assert clouds.mean() == pytest.approx(share, abs=0.02)


def test_no_cloud_means_none_and_all_means_all() -> None:
    assert not sky(WHOLE[2:], 0.0, 0.0, SUN, 10, 1).opacity(WHOLE).any()
    assert sky(WHOLE[2:], 1.0, 0.0, SUN, 10, 1).opacity(WHOLE).all()


@pytest.mark.parametrize(("azimuth", "row", "col"), [(0, 1, 0), (90, 0, -1), (180, -1, 0), (270, 0, 1)])
def test_the_shadow_of_a_cloud_lies_away_from_the_sun_by_its_height(
    azimuth: float, row: int, col: int
) -> None:
    # 45 degrees and a resolution at which the distance is a whole number of cells
    resolution = CLOUD_BASE_M / (20 * CELL_PX)
    air = sky((300, 300), 0.3, 0.0, Sun(azimuth, 45), resolution, 4)
    distance = 20 * CELL_PX
    here = Window(150, 150, 60, 60)
    there = Window(150 + row * distance, 150 + col * distance, 60, 60)
    np.testing.assert_allclose(air.shade(there), air.opacity(here), atol=1e-4)


def test_a_window_sees_what_the_whole_scene_shows_there() -> None:
    air = sky(WHOLE[2:], 0.3, 0.05, SUN, 10, 2)
    ground = np.random.default_rng(0).random((4, 400, 500), np.float32)
    part = Window(100, 40, 50, 70)
    rows, cols = part.slices
    np.testing.assert_allclose(
        air.observed(ground, WHOLE)[:, rows, cols], air.observed(ground[:, rows, cols], part)
    )


def test_haze_brightens_blue_more_than_near_infrared() -> None:
    seen = sky(WHOLE[2:], 0.0, 0.05, SUN, 10, 2).observed(np.zeros((4, 400, 500), np.float32), WHOLE)
    assert (np.diff(seen.mean(axis=(1, 2))) < 0).all()
    assert seen[0].mean() == pytest.approx(0.05, rel=0.4)
