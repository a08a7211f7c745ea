"""Products become acquisitions, the clearest are chosen, and medians are those of what is clear."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from urbanseg.config.scene import LeastCloud, Median
from urbanseg.errors import PipelineError
from urbanseg.imagery.sentinel2 import acquisitions
from urbanseg.imagery.sentinel2.acquisitions import UNCLEAR, Acquisition, Candidate, Product

NOON = datetime(2023, 6, 14, 12, tzinfo=UTC)
LEAST = LeastCloud(rule="least_cloud")


def product(name: str, minutes: float = 0, granule: str = "32UNU", baseline: str = "05.09") -> Product:
    return Product(name, granule, NOON + timedelta(minutes=minutes), baseline, shapely.box(9, 48, 10, 49))


def candidate(day: int, scl: list[list[int]]) -> Candidate:
    acquisition = Acquisition((product(f"p{day}", 1440 * day),))
    return Candidate(acquisition, np.array(scl, np.uint8))


def names(found: list[Acquisition]) -> list[list[str]]:
    return [[p.id for p in acquisition.products] for acquisition in found]


def test_products_within_minutes_are_one_acquisition_however_they_are_listed() -> None:
    east, west = product("east", 0.4, "32UPU"), product("west", 0)
    later = product("later", 100)
    for order in ([later, east, west], [west, later, east]):
        assert names(acquisitions.group(order)) == [["east", "west"], ["later"]]


def test_of_a_granule_processed_again_the_newest_baseline_stays() -> None:
    products = [
        product("a", baseline="02.14"),
        product("b", baseline="05.00"),
        product("c", 0.1, "32UPU", "02.14"),
    ]
    assert names(acquisitions.group(products)) == [["b", "c"]]


def test_parts_of_a_granule_with_the_same_baseline_both_stay() -> None:
    assert names(acquisitions.group([product("north"), product("south", 0.2)])) == [["north", "south"]]


def test_clouds_are_counted_over_the_area_only() -> None:
    cloudy_outside = candidate(1, [[4, 4, 9, 9], [4, 4, 9, 9]])
    cloudy_inside = candidate(2, [[4, 9, 4, 4], [4, 4, 4, 4]])
    area = np.array([[True, True, False, False]] * 2)
    assert acquisitions.choose([cloudy_inside, cloudy_outside], area, LEAST, 1, "x") == [cloudy_outside]
    everywhere = np.ones((2, 4), bool)
    assert acquisitions.choose([cloudy_inside, cloudy_outside], everywhere, LEAST, 0, "x") == [cloudy_inside]


@pytest.mark.parametrize("code", range(12))
def test_the_ground_is_seen_under_these_scene_classes_only(code: int) -> None:
    assert candidate(1, [[code]]).clear.item() == (code in {2, 4, 5, 6, 7})


def test_of_equally_clear_acquisitions_the_earlier_is_taken() -> None:
    first, second = candidate(1, [[4, 9]]), candidate(2, [[9, 4]])
    area = np.ones((1, 2), bool)
    assert acquisitions.choose([second, first], area, LEAST, 0.5, "x") == [first]
    assert acquisitions.choose([second, first], area, Median(rule="median", dates=2), 1, "x") == [
        first,
        second,
    ]


def test_acquisitions_without_anything_clear_are_in_no_median() -> None:
    good, bad = candidate(1, [[4, 4]]), candidate(2, [[9, 3]])
    rule = Median(rule="median", dates=5)
    assert acquisitions.choose([bad, good], np.ones((1, 2), bool), rule, 1, "x") == [good]


@pytest.mark.parametrize("scl", [[[9, 9, 9, 4]], [[9, 9, 9, 9]]])
def test_too_little_clear_ground_is_one_sentence(scl: list[list[int]]) -> None:
    with pytest.raises(PipelineError, match=r"% of Town is seen clearly .* of 1 acquisitions .*2023-06-15"):
        acquisitions.choose([candidate(1, scl)], np.ones((1, 4), bool), LEAST, 0.5, "Town")


@given(st.data(), st.integers(1, 6))
def test_a_median_is_that_of_the_clear_observations(data: st.DataObject, dates: int) -> None:
    shape = (dates, 2, 3, 3)
    pixels = data.draw(hnp.arrays(np.uint16, shape, elements=st.integers(1, 65535)))
    codes = data.draw(hnp.arrays(np.uint8, (dates, 3, 3), elements=st.integers(0, 11)))
    pixels[np.broadcast_to((codes == 0)[:, np.newaxis], shape)] = 0
    merged, code = acquisitions.median(pixels, codes)
    for row, col in np.ndindex(3, 3):
        clear = ~np.isin(codes[:, row, col], UNCLEAR)
        present = np.flatnonzero(codes[:, row, col])
        if clear.any():
            exact = np.median(pixels[clear, :, row, col].astype(float), axis=0)
            np.testing.assert_array_equal(merged[:, row, col], np.floor(exact))
            assert code[row, col] == codes[clear.argmax(), row, col]
        elif present.size:
            np.testing.assert_array_equal(merged[:, row, col], pixels[present[0], :, row, col])
            assert code[row, col] in UNCLEAR
        else:
            assert not merged[:, row, col].any()
