"""Map and scene may lie apart in time, and that is said."""

import logging
from datetime import datetime

import pytest

from urbanseg.errors import PipelineError
from urbanseg.osm import dates

JUNE = {"properties": {"datetime": "2023-06-14T10:26:00Z"}}
SUMMER = {
    "properties": {
        "datetime": None,
        "start_datetime": "2023-06-01T00:00:00Z",
        "end_datetime": "2023-08-31T00:00:00Z",
    }
}
UNKNOWN = {"properties": {"start_datetime": "1970-01-01T00:00:00Z", "end_datetime": "9999-12-31T23:59:59Z"}}


@pytest.mark.parametrize(
    ("item", "snapshot", "months"),
    [
        (JUNE, "2023-06-14T10:26:00Z", 0),
        (JUNE, "2024-06-14T10:26:00Z", 12.02),
        (JUNE, "2022-12-14T10:26:00Z", 5.98),
        (SUMMER, "2023-07-07T00:00:00Z", 0),
        (SUMMER, "2023-05-01T12:00:00+12:00", 1.02),
        (SUMMER, "2023-12-31T00:00:00Z", 4.01),
    ],
)
def test_the_gap_is_to_the_nearest_date_of_the_scene(item: dict, snapshot: str, months: float) -> None:
    taken = dates.taken(item)
    assert taken is not None
    assert dates.gap_months(snapshot, taken) == pytest.approx(months, abs=0.01)


def test_a_range_that_spans_a_lifetime_is_no_date() -> None:
    assert dates.taken(UNKNOWN) is None
    assert dates.taken({"properties": {}}) is None


def test_the_middle_of_a_composite_is_its_date() -> None:
    taken = datetime.fromisoformat("2023-06-01T00:00:00Z"), datetime.fromisoformat("2023-06-04T00:00:00Z")
    assert dates.middle(taken) == "2023-06-02T12:00:00Z"


def test_a_large_gap_warns_or_fails_as_told(caplog: pytest.LogCaptureFixture) -> None:
    taken = dates.taken(JUNE)
    dates.check_gap("2023-12-01T00:00:00Z", taken, 6, fail=True)
    assert not caplog.records
    dates.check_gap("2025-01-01T00:00:00Z", taken, 6, fail=False)
    expected = "OpenStreetMap is of 2025-01-01 and the scene of 2023-06-14: 19 months, more than"
    assert expected in caplog.text
    assert caplog.records[0].levelname == "WARNING"
    with pytest.raises(PipelineError, match=expected):
        dates.check_gap("2025-01-01T00:00:00Z", taken, 6, fail=True)


@pytest.mark.parametrize(
    ("snapshot", "taken", "whose"),
    [
        (None, dates.taken(JUNE), "OpenStreetMap"),
        ("2023-01-01T00:00:00Z", None, "the scene"),
        (None, None, "OpenStreetMap and the scene"),
    ],
)
def test_unknown_dates_are_said_and_not_checked(
    snapshot: str | None, taken: dates.Range | None, whose: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        dates.check_gap(snapshot, taken, 6, fail=True)
    assert f"the date of {whose} is not known" in caplog.text
