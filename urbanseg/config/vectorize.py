"""The `vectorize` section of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from urbanseg.config.base import Area, Metres, Model, Number, Unique

ByClass = Area | dict[str, Area]
"""One value for all classes, or values by class; 0 for those not named."""

Format = Literal["gpkg", "fgb", "geojson", "shapefile", "parquet", "pmtiles"]


Auto = Literal["auto"]
AUTO: Auto = "auto"
"""By the size of the scene's pixels; see `urbanseg.mapping.tidiness`."""

Degrees = Annotated[Number, Field(ge=0, le=180)]


class RoadParams(Model):
    """How a skeleton becomes a road network."""

    min_spur_m: Metres
    snap_m: Metres
    max_gap_m: Metres
    max_angle_deg: Degrees
    min_length_m: Metres


class RoadSection(Model):
    """`RoadParams`, of which some may be chosen by the size of pixels."""

    min_spur_m: Metres | Auto = AUTO
    snap_m: Metres | Auto = AUTO
    max_gap_m: Metres | Auto = AUTO
    max_angle_deg: Degrees | Auto = AUTO
    min_length_m: Metres | Auto = AUTO


class VectorizeParams(Model):
    min_area_m2: ByClass | Auto = AUTO
    min_hole_m2: ByClass | Auto = AUTO
    smooth: Unique[str] | Auto = AUTO
    square: Unique[str] | Auto = AUTO
    simplify_m: Metres | Auto = AUTO
    formats: Unique[Format] = Field(min_length=1)
    roads: RoadSection = RoadSection()

    def named_classes(self) -> dict[str, list[str]]:
        """Names of classes by the key that names them."""
        areas = {"min_area_m2": self.min_area_m2, "min_hole_m2": self.min_hole_m2}
        named = {key: list(value) for key, value in areas.items() if isinstance(value, dict)}
        lists = {"smooth": self.smooth, "square": self.square}
        return named | {key: value for key, value in lists.items() if value != AUTO}
