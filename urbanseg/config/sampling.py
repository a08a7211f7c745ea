"""The `sampling` section of params.yaml."""

from typing import Literal

from pydantic import Field

from urbanseg.config.base import Model, Whole


class SamplingParams(Model):
    area: Literal["map", "test"]
    points: Whole = Field(ge=1, le=1_000_000)
    min_points: Whole = Field(ge=2, le=1_000_000)

    def of_each(self, classes: int) -> int:
        """Points of each of so many classes, at least: `min_points`, or fewer where there are not enough."""
        return min(self.min_points, self.points // classes)
