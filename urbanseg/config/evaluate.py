"""The `evaluate` section of params.yaml."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from urbanseg.config.base import Metres, Model, Number, Processes, Share, Tolerance, Unique, Whole

MAX_TOLERANCE_PX = 256
"""Outlines are compared within a disc, at a cost that grows faster than its radius."""


class Target(Model):
    acceptable: Share
    good: Share

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.acceptable > self.good:
            raise ValueError(f"acceptable {self.acceptable:g} must not be above good {self.good:g}")
        return self


class RoadScoreParams(Model):
    connectivity_snap_m: Tolerance
    buffer_m: Tolerance
    apls_snap_m: Tolerance
    apls_spacing_m: Annotated[Number, Field(ge=1, le=10_000)]
    apls_min_path_m: Metres


class BootstrapParams(Model):
    cell_m: Number = Field(ge=1, le=1e6)
    samples: Whole = Field(ge=100, le=100_000)


class EvaluateParams(Model):
    boundary_tolerance_m: Tolerance
    boundary_tolerances_px: Unique[Annotated[Number, Field(gt=0, le=MAX_TOLERANCE_PX)]]
    boundary_tolerances_m: Unique[Tolerance]
    roads: RoadScoreParams
    bootstrap: BootstrapParams
    workers: Processes
    batch_size: Whole | None = Field(default=None, ge=1, le=100_000, exclude_if=lambda size: size is None)
    targets: dict[str, Target]
