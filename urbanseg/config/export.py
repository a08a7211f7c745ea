"""The `export` section of params.yaml."""

from typing import Literal

from pydantic import Field

from urbanseg.config.base import Model, Number, Share, Unique, Whole


class ExportParams(Model):
    formats: Unique[Literal["torch_export", "onnx", "deepness", "openvino", "openvino_int8"]]
    check_tiles: Whole = Field(ge=1, le=1_000_000)
    calibration_tiles: Whole = Field(ge=1, le=1_000_000)
    min_equal: Share
    max_miou_loss: Share
    confidence_tiles: Whole = Field(default=64, ge=1, le=1_000_000)
    coverage: Number = Field(default=0.9, ge=0.5, le=0.99)
    difficulty: Number = Field(default=0.0, ge=0, le=100)
