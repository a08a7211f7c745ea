"""The `predict` section of params.yaml."""

from typing import Literal, Self

from pydantic import Field, model_validator

from urbanseg.sections import ENCODER_STRIDE, Model, check_window


class PredictParams(Model):
    size: int = Field(ge=ENCODER_STRIDE, le=4096)
    overlap: int = Field(ge=0)
    batch_size: int = Field(ge=1)
    device: Literal["auto", "cpu", "cuda"]
    threads: int = Field(ge=1)

    @model_validator(mode="after")
    def _geometry(self) -> Self:
        check_window(self.size, self.overlap)
        return self
