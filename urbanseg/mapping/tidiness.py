"""How a map is tidied, by the size of its pixels: what ``auto`` under `vectorize` stands for.

An object of one size has more pixels where these are finer, so limits neither stay in metres nor in
pixels. Each is set by hand at two sizes, on the embedded cities and on Dubai, and is a power of the
pixel's side between and below them. Above 10 m, where no object is left that has many pixels, it
stays the same in pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import log, log10

from urbanseg.classes import KINDS, Kind
from urbanseg.config.vectorize import AUTO, ByClass, RoadParams, VectorizeParams

FINE_M, COARSE_M = 0.5, 10.0
"""Sides of the pixels for which limits are set by hand."""

MIN_AREA_M2: dict[Kind, tuple[float, float]] = {
    "other": (100, 1000),
    "building": (12, 300),
    "road": (50, 500),
    "vegetation": (20, 1000),
    "water": (50, 1000),
    "bare_soil": (100, 1000),
}
"""By kind of class, at `FINE_M` and at `COARSE_M`; those of no kind have the limit of `other`."""
MIN_HOLE_M2 = (12, 500)
"""At `FINE_M` no larger than the smallest building, which would go with the hole that it lies in."""
SIMPLIFY_M = (1, 12)
ROADS_M = {"min_spur_m": (10, 30), "snap_m": (2, 12), "max_gap_m": (20, 90), "min_length_m": (30, 100)}
MAX_ANGLE_DEG = 45.0

SMOOTH: tuple[Kind, ...] = ("vegetation", "water", "bare_soil")
"""Kinds of classes with curved outlines."""
SQUARE: tuple[Kind, ...] = ("building",)
"""Kinds of classes with right angles, …"""
SQUARE_UP_TO_M = 1.0
"""… which show where pixels are no larger."""


BY_NAME: Mapping[str, Kind] = {kind: kind for kind in KINDS}
"""Classes that are called by their kinds."""


@dataclass(frozen=True)
class Tidiness:
    """Values for `vectorize` in params.yaml; see there."""

    min_area_m2: ByClass
    min_hole_m2: ByClass
    simplify_m: float
    smooth: list[str]
    square: list[str]
    roads: RoadParams


def tidy_for(pixel_m: float, classes: Mapping[str, Kind] = BY_NAME) -> Tidiness:
    """The values that suit pixels of a size.

    Args:
        pixel_m: side of a pixel in metres, above 0.
        classes: kinds of the map's classes by their names.

    Raises:
        ValueError: if `pixel_m` is not above 0.
    """
    if not pixel_m > 0:
        raise ValueError(f"the side of a pixel must be above 0 m, got {pixel_m}")
    pixel_m = _rounded(pixel_m)  # warped grids have pixels of 0.99999 m
    areas = {name: MIN_AREA_M2.get(kind, MIN_AREA_M2["other"]) for name, kind in classes.items()}
    return Tidiness(
        min_area_m2={name: _at(pixel_m, *limits, power=2) for name, limits in areas.items()},
        min_hole_m2=_at(pixel_m, *MIN_HOLE_M2, power=2),
        simplify_m=_at(pixel_m, *SIMPLIFY_M, power=1),
        smooth=_of_kinds(SMOOTH, classes),
        square=_of_kinds(SQUARE, classes) if pixel_m <= SQUARE_UP_TO_M else [],
        roads=RoadParams(
            max_angle_deg=MAX_ANGLE_DEG,
            **{key: _at(pixel_m, *limits, power=1) for key, limits in ROADS_M.items()},
        ),
    )


def _of_kinds(kinds: Sequence[Kind], classes: Mapping[str, Kind]) -> list[str]:
    """The classes of some kinds, kind by kind."""
    return [name for kind in kinds for name, own in classes.items() if own == kind]


def _at(pixel_m: float, fine: float, coarse: float, *, power: int) -> float:
    """A limit for pixels of a size, rounded so that it reads well; `power` is 1 for lengths, 2 for areas."""
    if pixel_m > COARSE_M:
        value = coarse * (pixel_m / COARSE_M) ** power
    else:
        value = coarse * (pixel_m / COARSE_M) ** (log(coarse / fine) / log(COARSE_M / FINE_M))
    return _rounded(value)


def _rounded(value: float) -> float:
    """The value to three digits."""
    return round(value, 2 - int(log10(value) // 1))


def chosen_for(section: VectorizeParams, pixel_m: float, classes: Mapping[str, Kind]) -> Tidiness:
    """What the parameters say, and where they say ``auto``, what suits the pixels.

    Args:
        section: `vectorize` of params.yaml.
        pixel_m: side of a pixel in metres, above 0.
        classes: kinds of the map's classes by their names.
    """
    suits = tidy_for(pixel_m, classes)
    names = [field.name for field in fields(suits) if field.name != "roads"]
    chosen = {name: value for name in names if (value := getattr(section, name)) != AUTO}
    roads = {name: value for name, value in section.roads if value != AUTO}
    return replace(suits, **chosen, roads=suits.roads.model_copy(update=roads))
