import numpy as np
import pytest

from urbanseg.classes import IGNORE, ClassTable, LandClass

ROWS = (
    LandClass(10, "tree_cover", "#006400", kind="vegetation"),
    LandClass(50, "built_up", "#fa0000"),
    LandClass(80, "water", "#0064c8"),
    LandClass(95, "road", "#505050", kind="none"),
)
TABLE = ClassTable(ROWS)


def test_pixel_values_and_positions_are_translated_both_ways():
    assert TABLE.ids == [10, 50, 80, 95]
    positions = np.arange(4, dtype=np.uint8)
    assert TABLE.id_lut[positions].tolist() == TABLE.ids
    assert TABLE.position_lut[TABLE.id_lut[positions]].tolist() == positions.tolist()
    assert TABLE.id_lut[IGNORE] == TABLE.position_lut[IGNORE] == IGNORE
    assert TABLE.position_lut[11] == 253


def test_a_class_is_of_the_kind_it_says_or_else_of_its_name():
    assert TABLE.kinds == {"tree_cover": "vegetation", "built_up": "none", "water": "water", "road": "none"}
    assert TABLE.of_kind("road", "building") == ()
    assert [c.name for c in TABLE.of_kind("water", "vegetation")] == ["tree_cover", "water"]
    assert TABLE.rest is None


@pytest.mark.parametrize("rows", [ROWS[::-1], (*ROWS, ROWS[0]), (LandClass(253, "a", "#000000"),)])
def test_ids_rise_and_leave_room_for_what_is_no_class(rows):
    with pytest.raises(ValueError, match=r"0 … 252, each once and in order"):
        ClassTable(rows)


def test_ids_are_named_one_by_one_where_there_are_gaps():
    assert TABLE.span == "10, 50, 80, 95"
    assert ClassTable((LandClass(1, "a", "#000000"), LandClass(2, "b", "#000000"))).span == "1 to 2"
