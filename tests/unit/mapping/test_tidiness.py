import pytest
import yaml

from tests.conftest import ROOT, shipped_params
from urbanseg.config.vectorize import VectorizeParams
from urbanseg.mapping.tidiness import BY_NAME, chosen_for, tidy_for

LIMITS = ("min_area_m2.building", "min_area_m2.road", "min_hole_m2", "simplify_m")
DISTANCES = ("roads.min_spur_m", "roads.snap_m", "roads.max_gap_m", "roads.min_length_m")
NAMES = ("other", "building", "road", "vegetation", "water", "bare_soil")


def value(tidy, name):
    first, _, rest = name.partition(".")
    found = getattr(tidy, first)
    return found if not rest else found[rest] if isinstance(found, dict) else getattr(found, rest)


def section(**keys):
    return VectorizeParams.model_validate({"formats": ["gpkg"]} | keys)


@pytest.mark.parametrize(
    ("pixel_m", "expected"),
    [(10, (300, 500, 500, 12, 30, 12, 90, 100)), (0.5, (12, 50, 12, 1, 10, 2, 20, 30))],
)
@pytest.mark.parametrize("off", [1, 1 + 1e-5, 1 - 1e-5])
def test_the_sizes_that_were_set_by_hand_come_out(pixel_m, expected, off):
    tidy = tidy_for(pixel_m * off)
    assert tuple(value(tidy, name) for name in LIMITS + DISTANCES) == expected
    assert tidy.min_area_m2["other"] == {10: 1000, 0.5: 100}[pixel_m]


def test_limits_grow_with_the_pixel():
    sizes = [0.05, 0.1, 0.3, 0.5, 0.6, 1, 2, 3, 5, 10, 15, 30, 100, 1000]
    for name in LIMITS + DISTANCES:
        found = [value(tidy_for(size), name) for size in sizes]
        assert found == sorted(set(found)), name
        assert found[0] > 0


@pytest.mark.parametrize(
    ("pixel_m", "squares"), [(0.3, True), (1, True), (1.0000001, True), (1.02, False), (10, False)]
)
def test_buildings_are_squared_where_pixels_are_one_metre_at_most(pixel_m, squares):
    assert tidy_for(pixel_m).square == (["building"] if squares else [])


def test_classes_of_no_kind_have_a_limit_and_kinds_that_are_missing_are_not_named():
    tidy = tidy_for(0.5, {"other": "other", "railway": "none", "water": "water"})
    assert tidy.min_area_m2 == {"other": 100, "railway": 100, "water": 50}
    assert (tidy.smooth, tidy.square) == (["water"], [])


def test_a_class_is_tidied_by_its_kind_whatever_its_name():
    tidy = tidy_for(0.5, {"lake": "water", "roof": "building", "shed": "building", "water": "none"})
    assert tidy.min_area_m2 == {"lake": 50, "roof": 12, "shed": 12, "water": 100}
    assert (tidy.smooth, tidy.square) == (["lake"], ["roof", "shed"])


@pytest.mark.parametrize("pixel_m", [0, -1, float("nan")])
def test_a_pixel_has_a_size(pixel_m):
    with pytest.raises(ValueError, match="above 0 m"):
        tidy_for(pixel_m)


def test_what_is_said_goes_before_what_suits():
    said = section(min_area_m2=7, square=[], simplify_m=0, roads={"snap_m": 3})
    tidy = chosen_for(said, 0.5, BY_NAME)
    assert (tidy.min_area_m2, tidy.square, tidy.simplify_m, tidy.roads.snap_m) == (7, [], 0, 3)
    suits = tidy_for(0.5)
    assert (tidy.min_hole_m2, tidy.smooth, tidy.roads.max_gap_m) == (
        suits.min_hole_m2,
        suits.smooth,
        suits.roads.max_gap_m,
    )


def test_what_is_not_said_is_chosen_by_the_pixel():
    assert chosen_for(section(), 3, BY_NAME) == tidy_for(3)


def test_the_project_leaves_all_to_the_pixel():
    params = shipped_params()
    assert chosen_for(params.vectorize, 10, params.class_table.kinds) == tidy_for(10)
    for path in (ROOT / "params").glob("*.yaml"):
        assert "vectorize" not in yaml.safe_load(path.read_text()), path
