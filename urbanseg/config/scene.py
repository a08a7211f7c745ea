"""Parameters of the scene providers (``cities.<city>.scene``): simulated, local, sentinelhub, stac.

Account data is not among them: credentials come from the environment or from the
sentinelhub package's own profile file.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pyproj import CRS
from pyproj.exceptions import CRSError

from urbanseg.config.addresses import address, plain_host
from urbanseg.config.base import (
    BandNumber,
    Bbox,
    FilePath,
    Model,
    Number,
    Resolution,
    Seed,
    Share,
    Time,
    Unique,
    Url,
    Whole,
    check_bbox,
    check_url,
)
from urbanseg.config.names import BandName, Title
from urbanseg.config.world import WorldParams
from urbanseg.grid import BLOCK_PX

SENTINEL2_BANDS = (
    "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12",
)  # fmt: skip
"""Bands of a Sentinel-2 L2A product; it has no B10."""

PROCESS_LIMIT_PX = 2500
"""Largest side of an image that one Process API request may ask for."""

MAX_FACTOR = 50
"""Fine pixels in a scene pixel of a simulation, along a side."""

MAX_FINE_PX = 60_000
"""Fine pixels of a simulated scene, along a side."""

SPDX = r"^[A-Za-z0-9.+-]{1,100}$"
"""Identifiers of licences, such as CC-BY-4.0; ``other`` for what has none."""

DRAWN = ("sun_azimuth", "sun_elevation", "noise", "haze")
"""Parameters of a simulated scene that its `world` draws, and that are required without one."""


def _is_none(value: Any) -> bool:
    return value is None


class LayoutParams(Model):
    """The embedded city: what its street plan looks like. Lengths in metres."""

    seed: Seed
    style: Literal["river", "oasis"]
    longitude: Number = Field(ge=-180, le=180)
    latitude: Number = Field(ge=-80, le=80)
    width_m: Number = Field(ge=640, le=50_000)
    height_m: Number = Field(ge=640, le=50_000)


class SimulatedScene(Model):
    """A Sentinel-2 scene rendered from a map: the embedded city's, or a real extract's."""

    provider: Literal["simulated"]
    layout: LayoutParams | None = None
    osm_path: FilePath | None = None
    bbox: Bbox | None = Field(default=None, exclude_if=_is_none)
    world: WorldParams | None = Field(default=None, exclude_if=_is_none)
    climate: Literal["temperate", "arid"] = "temperate"
    resolution_m: Resolution = 10.0
    render_m: Resolution = 2.0
    datetime: Time
    sun_azimuth: Number | None = Field(default=None, ge=0, le=360, exclude_if=_is_none)
    sun_elevation: Number | None = Field(default=None, ge=8, le=90, exclude_if=_is_none)
    noise: Number | None = Field(default=None, ge=0, le=0.1, exclude_if=_is_none)
    haze: Number | None = Field(default=None, ge=0, le=0.2, exclude_if=_is_none)
    cloud_share: Share

    @field_validator("bbox")
    @classmethod
    def _not_empty(cls, box: Any) -> Any:
        return check_bbox(box)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.layout is None) == (self.osm_path is None):
            raise ValueError("give exactly one of layout (the embedded city) and osm_path (a real extract)")
        if self.bbox is not None and self.osm_path is None:
            raise ValueError(
                "bbox is a part of an extract; a layout has its width_m and height_m, remove bbox"
            )
        return self

    @model_validator(mode="after")
    def _one_light(self) -> Self:
        for name in DRAWN:
            if self.world is None and getattr(self, name) is None:
                raise ValueError(f"{name} is missing; give it, or a world that draws it")
            if self.world is not None and getattr(self, name) is not None:
                raise ValueError(f"{name} is drawn by world; remove it")
        if self.world is not None and self.climate != "temperate":
            raise ValueError("climate is drawn by world; list it in world.climates instead")
        return self

    @model_validator(mode="after")
    def _whole_factor(self) -> Self:
        factor = self.resolution_m / self.render_m
        if factor > MAX_FACTOR:
            sides = f"resolution_m {self.resolution_m:g} must be {MAX_FACTOR} × render_m {self.render_m:g}"
            raise ValueError(f"{sides} at most")
        if factor < 1 or abs(factor - round(factor)) > 1e-9:
            raise ValueError(
                f"resolution_m {self.resolution_m:g} must be a whole multiple of render_m {self.render_m:g}"
            )
        return self

    @model_validator(mode="after")
    def _size(self) -> Self:
        if self.layout is not None:
            check_fine_px(max(self.layout.width_m, self.layout.height_m), self.render_m)
        return self


def check_fine_px(side_m: float, render_m: float) -> None:
    """Refuse a simulated scene of more fine pixels than there is memory for a strip of.

    Args:
        side_m: longest side of the scene in metres.
        render_m: side of a fine pixel in metres.

    Raises:
        ValueError: naming the parameter.
    """
    if side_m / render_m > MAX_FINE_PX:
        raise ValueError(
            f"render_m {render_m:g} makes {side_m / render_m:.0f} fine pixels of {side_m:g} m, more than "
            f"{MAX_FINE_PX} on a side; choose larger ones"
        )


class MaskParams(Model):
    """A raster whose values mark the cloudy or the valid pixels of a local scene."""

    path: FilePath
    kind: Literal["scl", "cloud", "valid"]
    band: BandNumber = 1
    values: Unique[Annotated[Whole, Field(ge=-(2**31), lt=2**32)]] | None = None

    @field_validator("path")
    @classmethod
    def _address(cls, path: Path) -> Path | None:
        return _check_file_or_url(path)

    @model_validator(mode="after")
    def _scl_has_its_own_values(self) -> Self:
        if self.kind == "scl" and self.values is not None:
            raise ValueError("an scl mask holds Sentinel-2 scene classes; remove values")
        return self


class LocalScene(Model):
    """A raster on this machine, or at an address of http or https."""

    provider: Literal["local"]
    path: FilePath
    bands: dict[BandName, BandNumber | BandName] = Field(min_length=1)
    nodata: Number | None = None
    scale: Number | None = Field(default=None, gt=0, le=1e9)
    offset: Number | None = Field(default=None, ge=-1e9, le=1e9)
    crs: str | None = None
    resolution_m: Resolution | None = None
    like: FilePath | None = None
    license: str = Field("other", pattern=SPDX, exclude_if=lambda name: name == "other")
    attribution: Title | None = Field(default=None, exclude_if=lambda name: name is None)
    resampling: Literal["auto", "nearest", "bilinear", "cubic", "average"] = "auto"
    mask: MaskParams | None = None
    datetime: Time | None = None
    bbox: Bbox | None = None

    @field_validator("path", "like")
    @classmethod
    def _address(cls, path: Path | None) -> Path | None:
        return _check_file_or_url(path)

    @field_validator("bbox")
    @classmethod
    def _not_empty(cls, box: Any) -> Any:
        return check_bbox(box)

    @field_validator("crs")
    @classmethod
    def _metric(cls, text: str | None) -> str | None:
        return _check_crs(text)

    @model_validator(mode="after")
    def _one_grid(self) -> Self:
        if self.like is not None and (self.crs is not None or self.resolution_m is not None):
            raise ValueError("like takes the grid of another raster; remove crs and resolution_m")
        return self


class AreaParams(Model):
    """An area of interest: exactly one of a bounding box, a file with polygons, and a place's name."""

    bbox: Bbox | None = None
    file: FilePath | None = None
    place: str | None = None
    geocoder: Url = "https://nominatim.openstreetmap.org"

    @field_validator("bbox")
    @classmethod
    def _not_empty(cls, box: Any) -> Any:
        return check_bbox(box)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for value in (self.bbox, self.file, self.place)) != 1:
            raise ValueError("give exactly one of bbox, file and place")
        return self


class LeastCloud(Model):
    """Take the acquisition with the largest clear share of the area."""

    rule: Literal["least_cloud"]


class Median(Model):
    """Take, pixel by pixel, the median of the clear observations of the clearest acquisitions."""

    rule: Literal["median"]
    dates: Whole = Field(ge=2, le=20)


class Retry(Model):
    """Attempts of a request, the wait before the second one, and the time-out of each."""

    attempts: Whole = Field(default=5, ge=1, le=20)
    wait_s: Number = Field(default=5, ge=0, le=300)
    timeout_s: Number = Field(default=120, gt=0, le=3600)


class SatelliteScene(Model):
    """Parameters that Sentinel-2 scenes of all archives have in common."""

    area: AreaParams
    dates: str
    bands: Unique[Literal[SENTINEL2_BANDS]] = Field(default=["B02", "B03", "B04", "B08"], min_length=1)  # type: ignore[valid-type]
    crs: str | None = None
    resolution_m: Resolution = 10.0
    choose: Annotated[LeastCloud | Median, Field(discriminator="rule")] = LeastCloud(rule="least_cloud")
    min_clear: Share = 0.8
    request_px: Whole = Field(
        default=PROCESS_LIMIT_PX // BLOCK_PX * BLOCK_PX, gt=0, le=PROCESS_LIMIT_PX, multiple_of=BLOCK_PX
    )
    patience: Retry = Retry()

    @field_validator("dates")
    @classmethod
    def _in_order(cls, text: str) -> str:
        try:
            first, last = (date.fromisoformat(day) for day in text.split("/"))
        except ValueError:
            raise ValueError("must be a first and a last day, such as 2023-05-01/2023-07-31") from None
        if first > last:
            raise ValueError(f"the first day {first} must not be after the last, {last}")
        return text

    @property
    def interval(self) -> tuple[date, date]:
        """First and last day. They are one text in params.yaml, because DVC takes no dates there."""
        first, last = (date.fromisoformat(day) for day in self.dates.split("/"))
        return first, last

    @field_validator("crs")
    @classmethod
    def _metric(cls, text: str | None) -> str | None:
        return _check_crs(text)


class SentinelHubScene(SatelliteScene):
    """Sentinel-2 L2A by the Process API of Sentinel Hub or of the Copernicus Data Space."""

    provider: Literal["sentinelhub"]
    profile: Literal["sentinelhub", "cdse"]
    base_url: Url | None = None
    token_url: Url | None = None


class StacScene(SatelliteScene):
    """Sentinel-2 L2A as cloud-optimised GeoTIFFs, found by a STAC API."""

    provider: Literal["stac"]
    profile: Literal["earth_search", "planetary_computer"] | None = None
    url: Url | None = None
    collection: str | None = None
    assets: dict[Literal[(*SENTINEL2_BANDS, "SCL")], str] | None = None  # type: ignore[valid-type]
    scaling: Literal["earth_search", "baseline", "metadata"] | None = None
    sas_url: Url | None = None
    hosts: Unique[str] = Field(default_factory=list)

    @field_validator("hosts")
    @classmethod
    def _plain_hosts(cls, hosts: Unique[str]) -> list[str]:
        return [plain_host(name) for name in hosts]

    @model_validator(mode="after")
    def _described(self) -> Self:
        if self.profile is None and None in (self.url, self.collection, self.assets, self.scaling):
            raise ValueError("without a profile, give url, collection, assets and scaling")
        if self.assets is not None and (lacking := {*self.bands, "SCL"} - set(self.assets)):
            raise ValueError(f"assets lacks {', '.join(sorted(lacking))}")
        return self


def _check_crs(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        crs = CRS.from_user_input(text)
    except CRSError:
        raise ValueError("must name a coordinate reference system, such as EPSG:32632") from None
    if not crs.is_projected or any(axis.unit_conversion_factor != 1 for axis in crs.axis_info[:2]):
        raise ValueError(f"must be a projected system with metres; {crs.name} is not")
    if crs.to_epsg() is None:
        raise ValueError("must be a system with an EPSG code, such as EPSG:32632")
    return text


def _check_file_or_url(path: Path | None) -> Path | None:
    if path is not None and (url := address(path)):
        check_url(url)
    return path
