from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import distance_transform_edt

from urbanseg.metrics.boundary import (
    BandCounts,
    BoundaryCounts,
    band_counts,
    band_px,
    boundaries,
    boundary_counts,
    boundary_iou,
    boundary_scores,
    halo_px,
)

N = 3
SHAPE = (13, 10)
rasters = hnp.arrays(np.uint8, SHAPE, elements=st.integers(0, N - 1))
masks = hnp.arrays(bool, SHAPE, elements=st.booleans().map(lambda hole: not hole))
tolerances = st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0, 4.5, 60.0])
pixels = st.sampled_from([(1.0, 1.0), (1.5, 0.5), (0.5, 2.0)])


def fields(counts: BoundaryCounts) -> list[list[int]]:
    return [
        values.tolist()
        for values in (counts.predicted, counts.predicted_matched, counts.reference, counts.reference_matched)
    ]


def outline(classes, counted):
    """Boundary pixels as ``(row, col, class)``, straight from the definition."""
    found = []
    for row, col in np.argwhere(counted):
        for step in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            near = row + step[0], col + step[1]
            if (
                0 <= near[0] < classes.shape[0]
                and 0 <= near[1] < classes.shape[1]
                and counted[near]
                and classes[near] != classes[row, col]
            ):
                found.append((int(row), int(col), int(classes[row, col])))
                break
    return found


def brute_force(reference, prediction, counted, tolerance, pixel):
    """Counts by comparing every boundary pixel with every other."""
    points = [outline(classes, counted) for classes in (prediction, reference)]
    sums = []
    for own, other in (points, reversed(points)):
        total, matched = [0] * N, [0] * N
        for row, col, c in own:
            total[c] += 1
            matched[c] += any(
                c == d and np.hypot((row - r) * pixel[0], (col - k) * pixel[1]) <= tolerance + 1e-9
                for r, k, d in other
            )
        sums += [total, matched]
    return sums


@given(rasters, rasters, masks, tolerances, pixels)
def test_counts_equal_a_brute_force_comparison_of_all_pairs(reference, prediction, counted, tolerance, pixel):
    counts = boundary_counts(reference, prediction, counted, n=N, tolerance_m=tolerance, pixel_m=pixel)
    assert fields(counts) == brute_force(reference, prediction, counted, tolerance, pixel)


@pytest.mark.parametrize("tolerance", [10, 20, 30, 41, 70])
def test_matches_are_those_of_an_exact_distance_transform(tolerance):
    rng = np.random.default_rng(tolerance)
    reference, prediction = (rng.random((2, 60, 80)) > 0.99).astype(np.uint8)
    counted = np.ones(reference.shape, bool)
    counts = boundary_counts(reference, prediction, counted, n=2, tolerance_m=tolerance, pixel_m=(10, 10))
    for c in range(2):
        own, other = (boundaries(classes, counted) & (classes == c) for classes in (prediction, reference))
        distance = distance_transform_edt(~other, sampling=(10, 10))
        assert counts.predicted_matched[c] == (own & (distance <= tolerance)).sum()


@given(rasters, rasters, masks, tolerances, pixels, st.lists(st.integers(1, SHAPE[0] - 1), max_size=4))
def test_counts_do_not_depend_on_how_the_scene_is_cut(reference, prediction, counted, tolerance, pixel, cuts):
    settings = {"n": N, "tolerance_m": tolerance, "pixel_m": pixel}
    halo = halo_px(tolerance, pixel)
    edges = sorted({0, *cuts, SHAPE[0]})
    total = BoundaryCounts.none(N)
    for start, stop in pairwise(edges):
        top, bottom = max(0, start - halo), min(SHAPE[0], stop + halo)
        core = (slice(start - top, stop - top), slice(None))
        part = slice(top, bottom)
        total += boundary_counts(reference[part], prediction[part], counted[part], core=core, **settings)
    assert fields(total) == fields(boundary_counts(reference, prediction, counted, **settings))


@given(rasters, masks, tolerances)
def test_a_perfect_prediction_scores_one_wherever_there_is_a_boundary(classes, counted, tolerance):
    counts = boundary_counts(classes, classes, counted, n=N, tolerance_m=tolerance, pixel_m=(1, 1))
    scores = boundary_scores(counts)
    assert (scores.f1[counts.reference > 0] == 1).all()
    assert np.isnan(scores.f1[counts.reference == 0]).all()


@given(rasters, rasters, masks, tolerances)
def test_exchanging_the_rasters_exchanges_precision_and_recall(reference, prediction, counted, tolerance):
    settings = {"n": N, "tolerance_m": tolerance, "pixel_m": (1, 1)}
    one = boundary_scores(boundary_counts(reference, prediction, counted, **settings))
    other = boundary_scores(boundary_counts(prediction, reference, counted, **settings))
    np.testing.assert_array_equal(one.precision, other.recall)
    np.testing.assert_array_equal(one.f1, other.f1)


@given(rasters, rasters, st.tuples(st.integers(0, 6), st.integers(0, 6)))
def test_counts_are_invariant_under_translation(reference, prediction, shift):
    settings = {"n": N, "tolerance_m": 2.0, "pixel_m": (1, 1)}
    moved = [np.zeros((20, 17), np.uint8) for _ in range(2)]
    counted = np.zeros((20, 17), bool)
    place = tuple(slice(offset, offset + size) for offset, size in zip(shift, SHAPE, strict=True))
    for raster, values in zip((*moved, counted), (reference, prediction, True), strict=True):
        raster[place] = values
    here = boundary_counts(reference, prediction, np.ones(SHAPE, bool), **settings)
    assert fields(boundary_counts(*moved, counted, **settings)) == fields(here)


def halves(edge: int) -> np.ndarray:
    """Class 0 left of column `edge`, class 1 from there on."""
    return np.broadcast_to((np.arange(30) >= edge).astype(np.uint8), (20, 30))


@pytest.mark.parametrize(("tolerance", "score"), [(29.9, 0), (30, 1)])
def test_an_outline_three_pixels_off_is_matched_from_thirty_metres_on(tolerance, score):
    everything = np.ones((20, 30), bool)
    counts = boundary_counts(halves(12), halves(15), everything, n=2, tolerance_m=tolerance, pixel_m=(10, 10))
    assert boundary_scores(counts).f1.tolist() == [score, score]


def test_a_boundary_that_was_invented_costs_precision_only():
    everything = np.ones((20, 30), bool)
    predicted = halves(12).copy()
    predicted[:, 25:] = 0
    counts = boundary_counts(halves(12), predicted, everything, n=2, tolerance_m=1, pixel_m=(1, 1))
    scores = boundary_scores(counts)
    assert scores.precision.tolist() == [0.5, 0.5]
    assert scores.recall.tolist() == [1, 1]
    np.testing.assert_allclose(scores.f1, 2 / 3)


def test_the_edge_of_the_counted_area_is_no_boundary():
    classes = np.ones((8, 8), np.uint8)
    counted = np.zeros((8, 8), bool)
    counted[2:6, 2:6] = True
    classes[~counted] = 255
    assert not boundaries(classes, counted).any()


def test_a_boundary_in_one_raster_only_scores_zero():
    flat = np.zeros((20, 30), np.uint8)
    counts = boundary_counts(halves(12), flat, np.ones(flat.shape, bool), n=3, tolerance_m=1, pixel_m=(1, 1))
    np.testing.assert_array_equal(boundary_scores(counts).f1, [0, 0, np.nan])


def test_sixty_four_classes_fit_and_no_more():
    classes = np.arange(64, dtype=np.uint8).reshape(8, 8)
    everything = np.ones((8, 8), bool)
    counts = boundary_counts(classes, classes, everything, n=64, tolerance_m=1, pixel_m=(1, 1))
    assert (counts.reference_matched == 1).all()
    with pytest.raises(ValueError, match="at most 64"):
        boundary_counts(classes, classes, everything, n=65, tolerance_m=1, pixel_m=(1, 1))


@given(rasters, rasters, masks, st.integers(1, SHAPE[0] - 1), st.integers(1, SHAPE[1] - 1))
def test_counts_by_cell_are_those_of_the_pixels_in_the_cell(reference, prediction, counted, row, col):
    settings = {"n": N, "tolerance_m": 1.5, "pixel_m": (1, 1)}
    cells = (np.arange(SHAPE[0]) >= row)[:, np.newaxis] * 2 + (np.arange(SHAPE[1]) >= col)
    by_cell = boundary_counts(reference, prediction, counted, cells=cells.astype(np.int64), **settings)
    assert by_cell.reference.shape == (4, N)
    assert fields(by_cell.total()) == fields(boundary_counts(reference, prediction, counted, **settings))
    corner = (slice(row, None), slice(col, None))
    last = boundary_counts(reference, prediction, counted, core=corner, **settings)
    assert [values[3] for values in fields(by_cell)] == fields(last)
    stacked = BoundaryCounts.stacked([by_cell, by_cell])
    assert fields(stacked.total()) == [[2 * v for v in values] for values in fields(by_cell.total())]


def band_fields(counts: BandCounts) -> list[list[int]]:
    return [values.tolist() for values in (counts.reference, counts.predicted, counts.both)]


def cheng(mask: np.ndarray, dilation: int) -> np.ndarray:
    """`mask_to_boundary` of Cheng et al.: what erosion by a square takes off."""
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=dilation)
    return mask - eroded[1:-1, 1:-1]


@given(rasters, rasters, masks, st.integers(1, 4))
def test_boundary_iou_is_that_of_its_authors(reference, prediction, counted, dilation):
    counts = band_counts(reference, prediction, counted, n=N, width_m=10 * dilation, pixel_m=(10, 10))
    for k in range(N):
        one, other = (
            cheng((counted & (classes == k)).astype(np.uint8), dilation)
            for classes in (reference, prediction)
        )
        assert counts.reference[k] == one.sum()
        assert counts.predicted[k] == other.sum()
        assert counts.both[k] == (one & other).sum()


@given(rasters, rasters, masks, tolerances, pixels, st.lists(st.integers(1, SHAPE[0] - 1), max_size=4))
def test_bands_do_not_depend_on_how_the_scene_is_cut(reference, prediction, counted, width, pixel, cuts):
    settings = {"n": N, "width_m": width, "pixel_m": pixel}
    halo = halo_px(width, pixel)
    total = BandCounts.none(N)
    for start, stop in pairwise(sorted({0, *cuts, SHAPE[0]})):
        part = slice(max(0, start - halo), min(SHAPE[0], stop + halo))
        core = (slice(start - part.start, stop - part.start), slice(None))
        total += band_counts(reference[part], prediction[part], counted[part], core=core, **settings)
    assert band_fields(total) == band_fields(band_counts(reference, prediction, counted, **settings))


@given(rasters, masks, tolerances)
def test_a_perfect_prediction_has_boundary_iou_one_and_it_is_symmetric(classes, counted, width):
    settings = {"n": N, "width_m": width, "pixel_m": (1, 1)}
    perfect = band_counts(classes, classes, counted, **settings)
    assert (boundary_iou(perfect)[perfect.reference > 0] == 1).all()
    assert np.isnan(boundary_iou(perfect)[perfect.reference == 0]).all()
    turned = classes[::-1]
    one, other = (band_counts(*pair, counted, **settings) for pair in ((classes, turned), (turned, classes)))
    np.testing.assert_array_equal(boundary_iou(one), boundary_iou(other))


@given(rasters, rasters, st.tuples(st.integers(0, 6), st.integers(0, 6)))
def test_bands_are_invariant_under_translation(reference, prediction, shift):
    settings = {"n": N, "width_m": 2.0, "pixel_m": (1, 1)}
    offsets = [(before, 6 - before) for before in shift]
    moved = [np.pad(values, offsets) for values in (reference, prediction, np.ones(SHAPE, bool))]
    here = band_counts(reference, prediction, np.ones(SHAPE, bool), **settings)
    assert band_fields(band_counts(*moved, **settings)) == band_fields(here)


def test_an_outline_one_pixel_off_shares_a_third_of_a_band_of_two_away_from_the_scene_s_edge():
    # Band of class 1: columns 12, 13 against 13, 14; one of three is shared.
    core = (slice(3, 17), slice(3, 27))
    counts = band_counts(
        halves(12), halves(13), np.ones((20, 30), bool), n=2, width_m=2, pixel_m=(1, 1), core=core
    )
    np.testing.assert_allclose(boundary_iou(counts), 1 / 3)


def test_bands_are_as_wide_as_whole_pixels_and_one_at_least():
    assert [band_px(width, (10, 10)) for width in (2, 10, 14, 16)] == [1, 1, 1, 2]
    assert band_px(10, (20, 5)) == 1
