"""Parameters of a simulated scene's world (``cities.<city>.scene.world``): what is drawn, and from which ranges."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from urbanseg.config.base import Model, Number, Seed, Share, Unique

Climate = Literal["temperate", "mediterranean", "arid", "tropical", "boreal"]
CLIMATES: tuple[Climate, ...] = ("temperate", "mediterranean", "arid", "tropical", "boreal")


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"must be a lowest and a highest value, got {limits[0]:g} and {limits[1]:g}")
    return limits


def _limits(low: float, high: float) -> type[tuple[float, float]]:
    """The type of a lowest and a highest value, both within `low` and `high`."""
    bounded = Annotated[Number, Field(ge=low, le=high)]
    return Annotated[tuple[bounded, bounded], AfterValidator(_ordered)]  # type: ignore[return-value, valid-type]


class WorldParams(Model):
    """A world drawn from a seed: climate, light, sensor, and how the image differs from the map.

    A pair is the lowest and the highest value that may be drawn.
    """

    seed: Seed
    climates: Unique[Climate] = Field(default=list(CLIMATES), min_length=1)
    sun_elevation: _limits(8, 90) = (20.0, 65.0)  # type: ignore[valid-type]
    haze: _limits(0, 0.2) = (0.0, 0.04)  # type: ignore[valid-type]
    noise: _limits(0, 0.1) = (0.001, 0.006)  # type: ignore[valid-type]
    blur: _limits(0.2, 5) = (0.8, 1.5)  # type: ignore[valid-type]
    gain: Share = 0.06
    slope: _limits(0, 1) = (0.0, 0.3)  # type: ignore[valid-type]
    parcel_m: _limits(40, 2000) = (90.0, 320.0)  # type: ignore[valid-type]
    shift_m: Number = Field(default=6.0, ge=0, le=100)
    unmapped: Share = 0.6
    vanished: Share = 0.03

    @model_validator(mode="after")
    def _land(self) -> Self:
        if self.gain > 0.5:
            raise ValueError(f"gain must be 0.5 at most, got {self.gain:g}")
        return self
