"""Widths are understood as people write them, and rubbish is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urbanseg.osm.widths import FOOT_M, PLAUSIBLE_WIDTH_M, line_width, parse_lanes, parse_width


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("12", 12),
        ("7.5", 7.5),
        (" 12 m ", 12),
        ("12m", 12),
        ("3 metres", 3),
        ("40'", 40 * FOOT_M),
        ("12 ft", 12 * FOOT_M),
        ("12 Feet", 12 * FOOT_M),
        ("8'6\"", 8.5 * FOOT_M),
        ("16' 3\"", 16.25 * FOOT_M),
        ("12′6″", 12.5 * FOOT_M),
        ("12'6", 12.5 * FOOT_M),
        ("12'-6\"", 12.5 * FOOT_M),
        ("12 ft 6 in", 12.5 * FOOT_M),
        ("30 in", 2.5 * FOOT_M),
        ("20,5", 20.5),
        ("20,5 m", 20.5),
        (".75", 0.75),
        ("~20", 20),
        ("ca. 20 m", 20),
        ("6-8", 7),
        ("6 – 8 m", 7),
        ("6 m - 8 m", 7),
        ("~6,5-8", 7.25),
        ("10-20 ft", 15 * FOOT_M),
        ("10'-20'", 15 * FOOT_M),
        ("550 cm", 5.5),
        ("0.5 mi", 804.672),
        ("0.1 km", 100),
    ],
)
def test_a_width_is_understood_with_its_unit(text: str, metres: float) -> None:
    assert parse_width(text) == pytest.approx(metres)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "narrow",
        "2;3",
        "0",
        "0.01",
        "1200",
        "1,200",
        "-4",
        "5 km",
        "nan",
        "inf",
        "1e2",
        "1-2-3",
        "6-",
        "~",
        "1.2.3",
    ],
)
def test_a_width_that_says_nothing_plausible_is_ignored(text: str) -> None:
    assert parse_width(text) is None


@given(st.text())
def test_any_text_is_a_plausible_width_or_none(text: str) -> None:
    width = parse_width(text)
    assert width is None or PLAUSIBLE_WIDTH_M[0] <= width <= PLAUSIBLE_WIDTH_M[1]


@pytest.mark.parametrize(
    ("text", "lanes"), [("2", 2), ("1.5", 1.5), ("2;3", None), ("0", None), ("99", None), ("nan", None)]
)
def test_lanes_are_a_plausible_number_or_nothing(text: str, lanes: float | None) -> None:
    assert parse_lanes(text) == lanes


@pytest.mark.parametrize(
    ("tags", "metres"),
    [
        ({"highway": "primary", "width": "9 m", "lanes": "4"}, 9),
        ({"highway": "primary", "width": "wide", "lanes": "4"}, 14),
        ({"highway": "primary", "lanes": "many"}, 16),
        ({"waterway": "river"}, 30),
        ({"highway": "track"}, 6),
        ({"highway": "track", "name": "river"}, 6),
        ({}, 6),
    ],
)
def test_width_comes_before_lanes_and_lanes_before_what_is_typical(tags: dict, metres: float) -> None:
    assert line_width(tags, {"primary": 16, "river": 30}, default_m=6, lane_m=3.5) == metres
