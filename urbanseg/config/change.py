"""The `change` section of params.yaml."""

from typing import Annotated

from pydantic import Field

from urbanseg.config.base import Metres, Model


class ChangeParams(Model):
    min_confidence: Annotated[float, Field(ge=0, le=1)]
    shift_px: Annotated[int, Field(ge=0, le=32)]
    min_area_m2: Metres
