import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from urbanseg.metrics.area import areas

matrices = hnp.arrays(np.int64, (4, 4), elements=st.integers(0, 10_000))


def test_a_hand_made_case_in_hectares():
    # 300 + 100 pixels of 10 m are class 0, 350 are mapped as such; class 2 is nowhere but in the map.
    found = areas(np.array([[300, 100, 0], [50, 150, 20], [0, 0, 0]]), 100.0)
    np.testing.assert_allclose(found.reference_ha, [4.0, 2.2, 0])
    np.testing.assert_allclose(found.predicted_ha, [3.5, 2.5, 0.2])
    np.testing.assert_allclose(found.ratio, [0.875, 2.5 / 2.2, np.nan])
    np.testing.assert_allclose(found.error, [-0.125, 0.3 / 2.2, np.nan])


@given(matrices)
def test_a_perfect_map_has_ratio_one_and_error_zero(matrix):
    found = areas(np.diag(np.diag(matrix)), 25.0)
    known = np.diag(matrix) > 0
    assert (found.ratio[known] == 1).all()
    assert (found.error[known] == 0).all()


@given(matrices, st.floats(0.1, 1000))
def test_both_maps_cover_the_same_total(matrix, pixel_area_m2):
    found = areas(matrix, pixel_area_m2)
    np.testing.assert_allclose(found.reference_ha.sum(), matrix.sum() * pixel_area_m2 / 10_000)
    np.testing.assert_allclose(found.predicted_ha.sum(), found.reference_ha.sum())


@given(matrices, st.floats(0.1, 1000))
def test_ratios_do_not_depend_on_the_size_of_a_pixel(matrix, pixel_area_m2):
    np.testing.assert_allclose(areas(matrix, pixel_area_m2).ratio, areas(matrix, 1.0).ratio)
