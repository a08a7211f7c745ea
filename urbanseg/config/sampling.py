"""The `sampling` section of params.yaml."""

from typing import Literal

from pydantic import Field

from urbanseg.config.base import Model


class SamplingParams(Model):
    area: Literal["map", "test"]
    points: int = Field(ge=1)
    min_points: int = Field(ge=2)
