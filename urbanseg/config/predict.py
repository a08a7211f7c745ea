"""The `predict` section of params.yaml."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from urbanseg.config.base import ENCODER_STRIDE, Model, Share, check_address, check_window


class PredictParams(Model):
    backend: Literal["torch", "onnx", "openvino", "openvino_int8"] = "torch"
    scheduler: Annotated[str, BeforeValidator(check_address)] = Field(
        default="local", pattern=r"^(local|processes|(tcp|tls)://\S+:\d+)$"
    )
    size: int = Field(default=512, ge=ENCODER_STRIDE, le=4096)
    overlap: int = Field(default=32, ge=0)
    blend: Literal["hann", "cosine", "flat"] = "hann"
    batch_size: int = Field(default=2, ge=1)
    augment: Literal["none", "flips", "d4"] = "none"
    classes: list[str] | None = Field(default=None, min_length=1)
    min_confidence: dict[str, Share] = Field(default={})
    rasters: list[Literal["probabilities", "entropy", "margin"]] = Field(default=[])
    clean: Literal["none", "median", "morphology"] = "none"
    clean_px: int = Field(default=1, ge=1, le=32)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(default=2, ge=1)

    @model_validator(mode="after")
    def _geometry(self) -> Self:
        check_window(self.size, self.overlap)
        return self

    @model_validator(mode="after")
    def _rasters(self) -> Self:
        if len(set(self.rasters)) < len(self.rasters):
            raise ValueError("rasters names one twice")
        return self
