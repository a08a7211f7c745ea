"""The `export` section of params.yaml."""

from typing import Literal

from pydantic import Field

from urbanseg.config.base import Model, Share


class ExportParams(Model):
    formats: list[Literal["torch_export", "onnx", "openvino", "openvino_int8"]]
    check_tiles: int = Field(ge=1)
    calibration_tiles: int = Field(ge=1)
    min_equal: Share
    max_miou_loss: Share
