"""The `vectorize` section of params.yaml."""

from typing import Annotated

from pydantic import Field

from urbanseg.sections import Metres, Model


class RoadParams(Model):
    min_spur_m: Metres
    snap_m: Metres
    max_gap_m: Metres
    max_angle_deg: Annotated[float, Field(ge=0, le=180)]
    min_length_m: Metres


class VectorizeParams(Model):
    min_area_m2: Metres
    roads: RoadParams
