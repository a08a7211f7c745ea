"""The `export` section of params.yaml."""

from typing import Literal

from pydantic import Field

from urbanseg.config.base import Model, Share, Unique, Whole


class ExportParams(Model):
    formats: Unique[Literal["torch_export", "onnx", "deepness", "openvino", "openvino_int8"]]
    check_tiles: Whole = Field(ge=1, le=1_000_000)
    calibration_tiles: Whole = Field(ge=1, le=1_000_000)
    min_equal: Share
    max_miou_loss: Share
