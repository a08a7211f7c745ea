"""The `repair` section of params.yaml: labels of training blocks that are compared with the image."""

from typing import Annotated

from pydantic import Field

from urbanseg.config.base import Model, Number, Share, Unique, Whole

ClassName = str


class AlignParams(Model):
    max_px: Whole = Field(default=0, ge=0, le=64)
    spread_px: Annotated[Number, Field(gt=0, le=64)] = 4


class DoubtParams(Model):
    classes: Unique[ClassName] = Field(default_factory=list)
    firmness: Share = 0.9
    min_px: Whole = Field(default=12, ge=1, le=1_000_000)


class FoldParams(Model):
    count: Whole = Field(default=2, ge=2, le=20)
    epochs: Whole = Field(default=6, ge=1, le=100_000)
    steps_per_epoch: Whole = Field(default=24, ge=1, le=1_000_000)


class RepairParams(Model):
    align: AlignParams = Field(default_factory=AlignParams)
    doubt: DoubtParams = Field(default_factory=DoubtParams)
    folds: FoldParams = Field(default_factory=FoldParams)

    @property
    def is_wanted(self) -> bool:
        """Whether labels are to be aligned or doubted at all."""
        return self.align.max_px > 0 or bool(self.doubt.classes)
