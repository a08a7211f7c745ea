"""The `predict` section of params.yaml."""

from typing import Literal, Self

from pydantic import Field, model_validator

from urbanseg.sections import ENCODER_STRIDE, Model, Share, check_window


class CleanParams(Model):
    method: Literal["none", "median", "morphology"] = "none"
    radius_px: int = Field(default=1, ge=1, le=16)


class PredictParams(Model):
    backend: Literal["torch", "onnx", "openvino", "openvino_int8"]
    size: int = Field(ge=ENCODER_STRIDE, le=4096)
    overlap: int = Field(ge=0)
    blend: Literal["hann", "cosine", "flat"] = "cosine"
    batch_size: int = Field(ge=1)
    augment: Literal["none", "flips", "d4"] = "none"
    classes: list[str] | None = None
    min_confidence: dict[str, Share] = Field(default={})
    rasters: list[Literal["probabilities", "entropy", "margin"]] = Field(default=[])
    clean: CleanParams = CleanParams()
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: Literal["auto", "cpu", "cuda"]
    threads: int = Field(ge=1)

    @model_validator(mode="after")
    def _geometry(self) -> Self:
        check_window(self.size, self.overlap)
        return self
