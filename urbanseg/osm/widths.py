"""Width of lines of OpenStreetMap on the ground, from free-text tags.

The `width` tag counts if it can be parsed (https://wiki.openstreetmap.org/wiki/Key:width,
https://wiki.openstreetmap.org/wiki/Map_features/Units), else the number of `lanes`, else
what is typical for the line's kind.
"""

import re
from collections.abc import Mapping

INCH_M, FOOT_M = 0.0254, 0.3048
UNITS_M = {
    1.0: "m metre metres meter meters mtr",
    0.01: "cm",
    0.001: "mm",
    1000.0: "km",
    INCH_M: "\" '' in inch inches",
    FOOT_M: "' ft feet foot",
    3 * FOOT_M: "yd yard yards",
    1609.344: "mi mile miles",
    1852.0: "nmi",
}
"""Metres of each unit, by its spellings."""
PLAUSIBLE_WIDTH_M = (0.5, 1000.0)
PLAUSIBLE_LANES = (1.0, 16.0)
DESCRIPTIVE = ("name", "width", "lanes", "layer", "bridge")
"""Keys whose values never name the kind of a line."""

_UNITS = {spelling: metres for metres, spellings in UNITS_M.items() for spelling in spellings.split()}
_NUMBER = (
    r"(?:\d*\.\d+|\d+,\d{1,2}(?!\d)|\d+,\d{4,}|\d+)"  # a comma before three digits may be one of thousands
)
_UNIT = "|".join(re.escape(spelling) for spelling in sorted(_UNITS, key=len, reverse=True))
_LENGTH = re.compile(rf"({_NUMBER})\s*({_UNIT})?")
_FEET_AND_INCHES = re.compile(
    rf"({_NUMBER})\s*(?:'|ft|feet|foot)\s*(?:({_NUMBER})|-?\s*({_NUMBER})\s*(?:\"|''|in|inch|inches))"
)
_ABOUT = re.compile(r"(~|≈|ca\.?|c\.|circa|about|approx\.?|approximately)\s*")
_RANGE = re.compile(r"\s*(?:-|–|—|\.\.|\bto\b)\s*")
_QUOTES = str.maketrans({"′": "'", "’": "'", "″": '"', "”": '"'})


def parse_width(text: str) -> float | None:
    """The width in metres of a `width` tag, or None if it is not plausible.

    Of a range it is the middle, and what is only about right counts as it is.

    >>> [parse_width(text) for text in ("12", "12,5 m", "40 ft", "~20", "6-8", "narrow", "1200")]
    [12.0, 12.5, 12.192, 20.0, 7.0, None, None]
    """
    plain = text.strip().lower().translate(_QUOTES)
    if about := _ABOUT.match(plain):
        plain = plain[about.end() :]
    ends = [plain] if _FEET_AND_INCHES.fullmatch(plain) else _RANGE.split(plain)
    if len(ends) > 2:
        return None
    if len(ends) == 2 and (unit := _LENGTH.fullmatch(ends[1])) and unit[2] and _is_number(ends[0]):
        ends[0] += unit[2]  # 6-8 ft
    metres = [_length(end) for end in ends]
    if None in metres:
        return None
    width = sum(length for length in metres if length is not None) / len(metres)
    return width if PLAUSIBLE_WIDTH_M[0] <= width <= PLAUSIBLE_WIDTH_M[1] else None


def _length(text: str) -> float | None:
    """The metres of one length such as ``12'6"``, whether plausible or not."""
    if match := _FEET_AND_INCHES.fullmatch(text):
        return _number(match[1]) * FOOT_M + _number(match[2] or match[3]) * INCH_M
    if match := _LENGTH.fullmatch(text):
        return _number(match[1]) * _UNITS[match[2] or "m"]
    return None


def _is_number(text: str) -> bool:
    return re.fullmatch(_NUMBER, text) is not None


def _number(text: str) -> float:
    return float(text.replace(",", "."))


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
