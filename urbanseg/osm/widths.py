"""Width of lines of OpenStreetMap on the ground, from free-text tags.

The `width` tag counts if it can be parsed (https://wiki.openstreetmap.org/wiki/Key:width),
else the number of `lanes`, else what is typical for the line's kind.
"""

import re
from collections.abc import Mapping

FOOT_M = 0.3048
PLAUSIBLE_WIDTH_M = (0.5, 200.0)
PLAUSIBLE_LANES = (1.0, 16.0)
DESCRIPTIVE = ("name", "width", "lanes", "layer", "bridge")
"""Keys whose values never name the kind of a line."""

_WIDTH = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>m|metres?|meters?|ft|feet|foot|')?", re.IGNORECASE)
_FEET_AND_INCHES = re.compile(r"(?P<feet>\d+)'\s*(?P<inches>\d+(\.\d+)?)(\"|'')")


def parse_width(text: str) -> float | None:
    """The width in metres of a `width` tag, or None if it is not plausible.

    >>> [parse_width(text) for text in ("12", "12.5 m", "40 ft", "narrow", "1200")]
    [12.0, 12.5, 12.192, None, None]
    """
    text = text.strip()
    if match := _FEET_AND_INCHES.fullmatch(text):
        metres = (float(match["feet"]) + float(match["inches"]) / 12) * FOOT_M
    elif match := _WIDTH.fullmatch(text):
        unit = (match["unit"] or "m").lower()
        metres = float(match["number"]) * (1.0 if unit.startswith("m") else FOOT_M)
    else:
        return None
    return metres if PLAUSIBLE_WIDTH_M[0] <= metres <= PLAUSIBLE_WIDTH_M[1] else None


def parse_lanes(text: str) -> float | None:
    """The number of lanes of a `lanes` tag, or None if it is not plausible."""
    try:
        lanes = float(text)
    except ValueError:
        return None
    return lanes if PLAUSIBLE_LANES[0] <= lanes <= PLAUSIBLE_LANES[1] else None


def line_width(
    tags: Mapping[str, str], typical_m: Mapping[str, float], default_m: float, lane_m: float
) -> float:
    """Full width of a line in metres.

    Args:
        tags: the line's tags.
        typical_m: typical width by the value of the tag that makes the line what it is.
        default_m: width of lines of any other kind.
        lane_m: width of a lane.

    Returns:
        Metres.
    """
    if (width := parse_width(tags.get("width", ""))) is not None:
        return width
    if (lanes := parse_lanes(tags.get("lanes", ""))) is not None:
        return lanes * lane_m
    kinds = (value for key, value in sorted(tags.items()) if key not in DESCRIPTIVE)
    return next((typical_m[kind] for kind in kinds if kind in typical_m), default_m)
