"""The gap in time between the state of OpenStreetMap and the scene.

A house built between the two is in one and not in the other. The scene's date is that of
its STAC Item; a composite has a range of dates, and any of them is right.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from urbanseg.errors import PipelineError

log = logging.getLogger(__name__)

MONTH_DAYS = 365.25 / 12
UNKNOWN_YEARS = 20
"""A longer range of dates means that the date is unknown."""

Range = tuple[datetime, datetime]


def taken(item: Mapping[str, Any]) -> Range | None:
    """First and last date of a scene by its STAC Item; None if the Item doesn't say."""
    properties = item["properties"]
    first = properties.get("datetime") or properties.get("start_datetime")
    last = properties.get("datetime") or properties.get("end_datetime")
    if first is None or last is None:
        return None
    dates = datetime.fromisoformat(first), datetime.fromisoformat(last)
    return dates if (dates[1] - dates[0]).days < UNKNOWN_YEARS * 365 else None


def middle(dates: Range) -> str:
    """The middle of a range, as ``YYYY-MM-DDTHH:MM:SSZ``."""
    first, last = dates
    return f"{first + (last - first) / 2:%Y-%m-%dT%H:%M:%SZ}"


def gap_months(snapshot: str, dates: Range) -> float:
    """Months between a snapshot and the nearest date of a range; 0 within it."""
    moment = datetime.fromisoformat(snapshot)
    days = max(dates[0] - moment, moment - dates[1]).total_seconds() / 86_400
    return max(0.0, days / MONTH_DAYS)


def check_gap(snapshot: str | None, dates: Range | None, max_months: float, *, fail: bool) -> None:
    """Warn or fail if the map and the scene are too far apart in time.

    Args:
        snapshot: date of the map, ISO 8601; None if unknown.
        dates: first and last date of the scene; None if unknown.
        max_months: largest gap without a warning.
        fail: whether a larger one is an error instead of a warning.

    Raises:
        PipelineError: if the gap is too large and `fail` is set.
    """
    if snapshot is None or dates is None:
        whose = " and ".join(
            name for name, known in (("OpenStreetMap", snapshot), ("the scene", dates)) if known is None
        )
        log.info("the date of %s is not known, so whether they belong together is not checked", whose)
        return
    months = gap_months(snapshot, dates)
    if months <= max_months:
        return
    text = (
        f"OpenStreetMap is of {snapshot[:10]} and the scene of {middle(dates)[:10]}: {months:.0f} months, "
        f"more than osm.max_gap_months ({max_months:g}); take another date of either"
    )
    if fail:
        raise PipelineError(text)
    log.warning("%s", text)
