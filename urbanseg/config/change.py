"""The `change` section of params.yaml."""

from typing import Annotated

from pydantic import Field

from urbanseg.config.base import Area, Model, Share, Whole


class ChangeParams(Model):
    min_confidence: Share
    shift_px: Annotated[Whole, Field(ge=0, le=32)]
    min_area_m2: Area
