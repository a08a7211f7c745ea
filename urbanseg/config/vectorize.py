"""The `vectorize` section of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from urbanseg.config.base import Area, Metres, Model, Number, Unique

ByClass = Area | dict[str, Area]
"""One value for all classes, or values by class; 0 for those not named."""

Format = Literal["gpkg", "fgb", "geojson", "shapefile", "parquet", "pmtiles"]


class RoadParams(Model):
    min_spur_m: Metres
    snap_m: Metres
    max_gap_m: Metres
    max_angle_deg: Annotated[Number, Field(ge=0, le=180)]
    min_length_m: Metres


class VectorizeParams(Model):
    min_area_m2: ByClass
    min_hole_m2: ByClass
    smooth: Unique[str]
    square: Unique[str]
    simplify_m: Metres
    formats: Unique[Format] = Field(min_length=1)
    roads: RoadParams

    def named_classes(self) -> dict[str, list[str]]:
        """Names of classes by the key that names them."""
        areas = {"min_area_m2": self.min_area_m2, "min_hole_m2": self.min_hole_m2}
        named = {key: list(value) for key, value in areas.items() if isinstance(value, dict)}
        return named | {"smooth": self.smooth, "square": self.square}
