"""The `evaluate` section of params.yaml."""

from typing import Self

from pydantic import Field, model_validator

from urbanseg.config.base import Metres, Model, Positive, Share


class Target(Model):
    acceptable: Share
    good: Share

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.acceptable > self.good:
            raise ValueError(f"acceptable {self.acceptable:g} must not be above good {self.good:g}")
        return self


class RoadScoreParams(Model):
    connectivity_snap_m: Positive
    buffer_m: Positive
    apls_snap_m: Positive
    apls_spacing_m: Positive
    apls_min_path_m: Metres


class BootstrapParams(Model):
    cell_m: Positive
    samples: int = Field(ge=100)


class EvaluateParams(Model):
    boundary_tolerance_m: Positive
    boundary_tolerances_px: list[Positive]
    boundary_tolerances_m: list[Positive]
    roads: RoadScoreParams
    bootstrap: BootstrapParams
    workers: int = Field(ge=1)
    targets: dict[str, Target]
