import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from urbanseg.config.base import ENCODER_STRIDE
from urbanseg.infer.windows import WindowGrid, blend_weights, fitted, offsets, reflected


@given(st.integers(1, 500), st.sampled_from([32, 64]), st.sampled_from(["cosine", "flat"]), st.data())
def test_the_grid_covers_every_pixel_and_weights_add_up(length, size, blend, data):
    overlap = 2 * data.draw(st.integers(0, size // 4))
    starts = offsets(length, size, overlap)
    profile = blend_weights(size, overlap, blend)
    total = np.zeros(length + 4 * size)
    for start in starts:
        total[start + 2 * size : start + 3 * size] += profile
    inside = total[2 * size : 2 * size + length]
    assert (inside > 0.49).all()
    assert all(-size < start < length for start in starts)
    if blend == "cosine":
        np.testing.assert_allclose(total[2 * size + overlap : 2 * size + length - overlap], 1, atol=1e-5)


@pytest.mark.parametrize("overlap", [0, 8, 16, 24, 31])
@pytest.mark.parametrize("blend", ["hann", "cosine", "flat"])
def test_weights_are_symmetric_and_never_zero(blend, overlap):
    weights = blend_weights(32, overlap, blend)
    assert (weights > 0).all()
    assert (weights <= 1).all()
    np.testing.assert_array_equal(weights, weights[::-1])


def test_hann_and_cosine_are_one_at_half_the_size_of_overlap():
    np.testing.assert_array_equal(blend_weights(64, 32, "hann"), blend_weights(64, 32, "cosine"))


@given(st.integers(1, 40), st.integers(-60, 39), st.integers(1, 80))
def test_reflection_agrees_with_numpy_pad(length, start, size):
    stop = start + size
    if stop <= 0 or start >= length:
        return
    first, last = max(0, start), min(length, stop)
    expected = np.pad(np.arange(first, last), (first - start, stop - last), mode="reflect")
    np.testing.assert_array_equal(reflected(start, stop, length), expected)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 31), st.integers(1, 9), st.integers(1, 6))
def test_parts_partition_the_scene_at_borders_of_batches(height, width, overlap, batch_size, count):
    windows = WindowGrid((height, width), 32, overlap)
    parts = windows.parts(count, batch_size)
    assert [row for part in parts for row in part] == list(range(height))
    assert len(parts) <= count
    starts = set(windows.rows[:: windows.rows_per_batch(batch_size)])
    assert all(part.start in starts for part in parts[1:])


@given(st.integers(1, 2000), st.sampled_from([32, 64, 256, 512]), st.data())
def test_windows_are_as_few_and_as_small_as_they_can_be(length, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    side, count = fitted(length, size, overlap), len(offsets(length, size, overlap))
    assert side % ENCODER_STRIDE == 0
    assert overlap < side <= size
    assert len(offsets(length, side, overlap)) == count
    if side - ENCODER_STRIDE > overlap:
        assert len(offsets(length, side - ENCODER_STRIDE, overlap)) > count


@given(st.integers(1, 300), st.integers(0, 31))
def test_the_rows_that_windows_finish_partition_the_scene(height, overlap):
    windows = WindowGrid((height, 40), 32, overlap)
    finished = [row for index in range(len(windows.rows)) for row in windows.finished(index)]
    assert finished == list(range(height))
