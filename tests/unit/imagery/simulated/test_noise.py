"""Random fields are normal, periodic, and the same from wherever they are read."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from urbanseg.imagery.simulated import noise

FIELD = noise.texture(6, [1], 128)


def test_a_texture_is_standard_normal() -> None:
    assert abs(FIELD.mean()) < 1e-6
    assert abs(FIELD.std() - 1) < 1e-5


def test_a_larger_scale_gives_smoother_textures() -> None:
    steps = [np.abs(np.diff(noise.texture(scale, [1], 128))).mean() for scale in (2, 6, 20)]
    assert steps[0] > 2 * steps[1] > 4 * steps[2]


def test_a_texture_is_as_smooth_across_its_own_edge_as_inside() -> None:
    across = np.abs(FIELD[0] - FIELD[-1]).mean()
    inside = np.abs(np.diff(FIELD, axis=0)).mean()
    assert across < 2 * inside


@given(
    row=st.integers(-500, 500), col=st.integers(-500, 500), down=st.integers(0, 20), right=st.integers(0, 20)
)
def test_overlapping_pieces_agree(row: int, col: int, down: int, right: int) -> None:
    piece = noise.at(FIELD, row, col, (30, 40))
    moved = noise.at(FIELD, row + down, col + right, (30 - down, 40 - right))
    np.testing.assert_array_equal(piece[down:, right:], moved)


def test_the_seed_decides() -> None:
    assert (noise.fractal(64, 16, 3, [1]) == noise.fractal(64, 16, 3, [1])).all()
    assert (noise.fractal(64, 16, 3, [1]) != noise.fractal(64, 16, 3, [2])).any()
