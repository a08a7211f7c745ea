import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from urbanseg.grid import strips
from urbanseg.metrics.sampling import allocate, stratified_sample

populations = hnp.arrays(np.int64, 4, elements=st.integers(0, 3000))


def sample(classes, n=3, height=7, **settings):
    return stratified_sample(
        lambda strip: classes[strip.slices],
        list(strips(classes.shape, height)),
        n,
        **({"points": 60, "least": 10, "seed": 1} | settings),
    )


def test_a_rare_class_gets_its_least_and_the_others_go_by_area():
    assert allocate(np.array([8000, 1500, 400, 0]), 500, 50).tolist() == [379, 71, 50, 0]


@given(populations, st.integers(0, 40), st.integers(0, 500))
def test_all_points_are_given_and_each_stratum_gets_its_least_and_no_more_than_it_has(
    population, least, more
):
    points = 4 * least + more
    given = allocate(population, points, least)
    assert given.sum() == min(points, population.sum())
    assert (given >= np.minimum(population, least)).all()
    assert (given <= population).all()


@given(populations, st.integers(2, 40), st.integers(0, 500))
def test_a_larger_stratum_never_gets_fewer_points(population, least, more):
    ordered = np.sort(population)
    assert (np.diff(allocate(ordered, 4 * least + more, least)) >= -1).all()  # but for rounding


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="10 points do not suffice for 4 in each of 3 classes"):
        allocate(np.array([100, 100, 100]), 10, 4)


@given(hnp.arrays(np.uint8, (20, 15), elements=st.sampled_from([0, 1, 2, 255])), st.integers(1, 20))
def test_the_points_do_not_depend_on_the_strips(classes, height):
    one, other = sample(classes), sample(classes, height=height)
    for name in ("rows", "cols", "mapped", "population"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@given(hnp.arrays(np.uint8, (20, 15), elements=st.sampled_from([0, 1, 2, 255])))
def test_points_are_different_pixels_of_the_class_they_are_said_to_have(classes):
    drawn = sample(classes)
    np.testing.assert_array_equal(classes[drawn.rows, drawn.cols], drawn.mapped)
    assert len(set(zip(drawn.rows.tolist(), drawn.cols.tolist(), strict=True))) == len(drawn.rows)
    np.testing.assert_array_equal(np.bincount(drawn.mapped, minlength=3), allocate(drawn.population, 60, 10))


def test_every_pixel_of_a_class_is_drawn_as_often_as_any_other():
    classes = np.repeat([[0], [1], [2]], [2, 5, 3], axis=0).repeat(4, axis=1).astype(np.uint8)
    hits = np.zeros(classes.shape)
    for seed in range(1000):
        drawn = sample(classes, points=12, least=4, seed=seed)
        hits[drawn.rows, drawn.cols] += 1
    for index in range(3):
        share = hits[classes == index] / 1000
        np.testing.assert_allclose(share, share.mean(), atol=5 * np.sqrt(0.25 / 1000))


def test_the_order_of_the_points_tells_nothing_of_the_class():
    classes = np.repeat([[0], [1]], 50, axis=0).repeat(100, axis=1).astype(np.uint8)
    mapped = sample(classes, n=2, points=400).mapped
    assert abs(mapped[:200].mean() - mapped[200:].mean()) < 0.2
