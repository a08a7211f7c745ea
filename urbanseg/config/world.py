"""Parameters of a simulated world (``cities.<city>.scene.world``): what is drawn, from which ranges."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from urbanseg.config.base import Model, Number, Seed, Share, Unique

Climate = Literal["temperate", "mediterranean", "arid", "tropical", "boreal"]
CLIMATES: tuple[Climate, ...] = ("temperate", "mediterranean", "arid", "tropical", "boreal")


def _within(low: float, high: float) -> AfterValidator:
    """A check that a lowest and a highest value are in order and within bounds."""

    def check(limits: tuple[float, float]) -> tuple[float, float]:
        if not low <= limits[0] <= limits[1] <= high:
            raise ValueError(
                f"must be a lowest and a highest value, each from {low:g} to {high:g}, "
                f"got {limits[0]:g} and {limits[1]:g}"
            )
        return limits

    return AfterValidator(check)


Pair = tuple[Number, Number]


class WorldParams(Model):
    """A world drawn from a seed: climate, light, sensor, and how the image differs from the map.

    A pair is the lowest and the highest value that may be drawn.
    """

    seed: Seed
    climates: Unique[Climate] = Field(default=list(CLIMATES), min_length=1)
    sun_elevation: Annotated[Pair, _within(8, 90)] = (20.0, 65.0)
    haze: Annotated[Pair, _within(0, 0.2)] = (0.0, 0.04)
    noise: Annotated[Pair, _within(0, 0.1)] = (0.001, 0.006)
    blur: Annotated[Pair, _within(0.2, 5)] = (0.8, 1.5)
    gain: Number = Field(default=0.06, ge=0, le=0.5)
    slope: Annotated[Pair, _within(0, 1)] = (0.0, 0.3)
    parcel_m: Annotated[Pair, _within(40, 2000)] = (90.0, 320.0)
    shift_m: Number = Field(default=6.0, ge=0, le=100)
    unmapped: Share = 0.6
    vanished: Share = 0.03
