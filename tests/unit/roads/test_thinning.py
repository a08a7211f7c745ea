import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.draw import line
from skimage.morphology import skeletonize

from tests.conftest import NO_REAL_DATA, SHARED
from urbanseg.roads.thinning import PASSES, skeleton_pixels

SCENE = SHARED / "dubai_scene_small/labels.tif"


def noise(rng, shape):
    return rng.random(shape) < rng.random()


def blobs(rng, shape):
    smooth = ndimage.gaussian_filter(rng.random(shape), rng.uniform(0.5, 8))
    return smooth > np.quantile(smooth, rng.random())


def thick_lines(rng, shape):
    mask = np.zeros(shape, dtype=bool)
    for _ in range(6):
        ends = np.concatenate([rng.integers(0, shape), rng.integers(0, shape)])
        mask[line(*ends)] = True
    return ndimage.binary_dilation(mask, np.ones(rng.integers(1, 5, 2)))


def skeleton(mask, rows):
    return skeleton_pixels(lambda window: mask[window.slices], mask.shape, rows)


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([noise, blobs, thick_lines]),
    st.tuples(st.integers(1, 160), st.integers(1, 160)),
    st.integers(1, 200),
)
def test_the_skeleton_is_that_of_the_whole_mask_whatever_the_height_of_strips(seed, draw, shape, rows):
    mask = draw(np.random.default_rng(seed), shape)
    assert (skeleton(mask, rows) == np.flatnonzero(skeletonize(mask))).all()


@pytest.mark.parametrize("flipped", [False, True])
def test_a_line_that_thins_from_its_end_pixel_by_pixel_is_thinned_to_its_other_end(flipped):
    """A diagonal two pixels wide loses one pixel in every second pass, across all strips."""
    mask = np.eye(6 * PASSES, dtype=bool)
    mask |= np.roll(mask, 1, axis=1)
    mask[:, 0] = mask[:, -1] = False
    mask = mask[:, ::-1] if flipped else mask
    assert (skeleton(mask, 7) == np.flatnonzero(skeletonize(mask))).all()


@pytest.mark.skipif(not SCENE.exists(), reason=NO_REAL_DATA)
@pytest.mark.parametrize("class_id", [1, 2])
def test_the_skeleton_of_each_class_of_a_real_scene_is_that_of_the_whole(class_id):
    with rasterio.open(SCENE) as source:
        mask = source.read(1) == class_id
    assert (skeleton(mask, 100) == np.flatnonzero(skeletonize(mask))).all()


def test_no_window_is_higher_than_a_strip_and_its_halo():
    mask = np.ones((900, 40), dtype=bool)
    asked = []

    def read(window):
        asked.append(window.height)
        return mask[window.slices]

    assert len(skeleton_pixels(read, mask.shape, 50))
    assert max(asked) <= 50 + 2 * PASSES
    assert len(asked) == 18


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (7, 3)])
def test_an_empty_mask_has_no_skeleton(shape):
    assert len(skeleton(np.zeros(shape, dtype=bool), 4)) == 0
