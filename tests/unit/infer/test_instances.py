"""Attached buildings get a number each, the same however the scene is cut."""

import numpy as np
import pytest
from scipy import ndimage

from urbanseg.classes import IGNORE
from urbanseg.infer import instances

SHAPE = (150, 210)


def rows() -> np.ndarray:
    """Numbers of houses in rows, some of them apart, and a shed that has no inside."""
    rng = np.random.default_rng(0)
    houses, number = np.zeros(SHAPE, np.int64), 0
    for top in range(5, 130, 40):
        for left in range(4, 195, 15):
            if rng.random() < 0.85:
                number += 1
                houses[top : top + 22, left : left + 15] = number
    houses[34:36, 60:64] = number + 1
    return houses


def cores(houses: np.ndarray) -> np.ndarray:
    inside = houses > 0
    for axis in (0, 1):
        for step in (1, -1):
            inside &= np.roll(houses, step, axis) == houses
    return (ndimage.gaussian_filter(inside.astype(float), 0.8) * 254).astype(np.uint8)


def found(houses: np.ndarray, inside: np.ndarray, window_px: int) -> tuple[np.ndarray, int]:
    target, seeds = np.zeros(SHAPE, np.uint32), np.zeros(SHAPE, np.uint32)
    count = instances.number(
        target, seeds, lambda w: houses[w.slices] > 0, lambda w: inside[w.slices], window_px
    )
    return target, count


@pytest.mark.parametrize("window_px", [37, 64, 1024])
def test_each_of_attached_houses_has_one_number_however_the_scene_is_cut(window_px: int) -> None:
    houses = rows()
    numbers, count = found(houses, cores(houses), window_px)
    assert count == houses.max()
    pairs = np.unique(np.stack([houses.ravel(), numbers.ravel()]), axis=1)
    assert pairs.shape[1] == count + 1
    assert ((numbers > 0) == (houses > 0)).all()
    assert (numbers == found(houses, cores(houses), 1024)[0]).all()


def test_numbers_follow_the_first_pixels() -> None:
    houses = rows()
    numbers, _ = found(houses, cores(houses), 50)
    _, first = np.unique(numbers, return_index=True)
    assert (np.diff(first[1:]) > 0).all()


@pytest.mark.parametrize("value", [0, IGNORE])
def test_without_insides_each_patch_is_a_building_and_without_buildings_there_is_none(value: int) -> None:
    houses, nothing = rows(), np.full(SHAPE, value, np.uint8)
    numbers, count = found(houses, nothing, 37)
    assert count == ndimage.label(houses > 0)[1]
    assert (
        len(np.unique(np.stack([ndimage.label(houses > 0)[0].ravel(), numbers.ravel()]), axis=1).T)
        == count + 1
    )
    assert found(np.zeros(SHAPE), nothing, 64)[1] == 0
