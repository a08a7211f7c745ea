"""The `predict` section of params.yaml."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from urbanseg.config.base import (
    ENCODER_STRIDE,
    Model,
    Pixels,
    Processes,
    Share,
    Unique,
    Whole,
    check_address,
    check_window,
)


class PredictParams(Model):
    backend: Literal["torch", "onnx", "openvino", "openvino_int8"] = "torch"
    scheduler: Annotated[str, BeforeValidator(check_address)] = Field(
        default="local", pattern=r"^(local|processes|(tcp|tls)://\S+:\d+)$"
    )
    size: Whole = Field(default=512, ge=ENCODER_STRIDE, le=4096)
    overlap: Pixels = 32
    blend: Literal["hann", "cosine", "flat"] = "hann"
    batch_size: Whole = Field(default=2, ge=1, le=4096)
    augment: Literal["none", "flips", "d4"] = "none"
    classes: Unique[str] | None = Field(default=None, min_length=1)
    min_confidence: dict[str, Share] = Field(default={})
    rasters: Unique[Literal["probabilities", "entropy", "margin", "set"]] = Field(default=[])
    calibrate: bool = True
    clean: Literal["none", "median", "morphology"] = "none"
    clean_px: Whole = Field(default=1, ge=1, le=32)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Processes = 2

    @model_validator(mode="after")
    def _geometry(self) -> Self:
        check_window(self.size, self.overlap)
        return self
