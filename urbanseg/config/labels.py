"""Parameters of what labels are made from: OpenStreetMap, rasters, annotation, masks, polygons.

`cities.<city>.osm` and `cities.<city>.labels` choose a source by its name; `osm` and
`labels` hold what is the same for all cities.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from urbanseg.config.base import (
    BandNumber,
    FilePath,
    Metres,
    Model,
    Number,
    Share,
    Unique,
    Url,
    Whole,
    parse_time,
    to_utc_text,
)
from urbanseg.config.names import LayerName
from urbanseg.config.remaps import ClassName, MaskTable, ValueTable

IGNORE_NAME = "ignore"
"""Name, in place of a class, of pixels that are excluded from losses and metrics."""

SPDX = r"^[A-Za-z0-9.+-]{1,100}$"
"""Identifiers of licences, such as CC-BY-4.0; ``other`` for what has none."""

Width = Annotated[Number, Field(gt=0, le=1000)]
"""Width of a line in metres."""


def check_utc(value: Any) -> str:
    """A point in time as ``YYYY-MM-DDTHH:MM:SSZ``; see `parse_time`."""
    return to_utc_text(parse_time(value))


UtcTime = Annotated[str, BeforeValidator(check_utc)]
"""A point in time, in UTC to the second: ``2023-06-14T10:26:00Z``."""


def _scene_or_time(value: Any) -> Any:
    return value if value == "scene" else check_utc(value)


SceneOrTime = Annotated[str, BeforeValidator(_scene_or_time)]
"""A point in time, or ``scene`` for that at which the scene was taken."""


class TagRule(Model):
    """Features whose tags all match; `"*"` is any value but `no`.

    Areas and lines are the class; a coast is a line with the class on its right.
    """

    geometry: Literal["area", "line", "coast"]
    tags: dict[str, Literal["*"] | Unique[str]] = Field(min_length=1)


class OsmParams(Model):
    rules: dict[ClassName, list[TagRule]]
    skip: list[dict[str, Literal["*"] | Unique[str]]] = Field(default_factory=list)
    keep_tags: Unique[str] = Field(default_factory=list)
    max_gap_months: Number = Field(default=6, gt=0, le=12_000)
    fail_on_gap: bool = False


class S2Cloudless(Model):
    threshold: Share = 0.4


class LabelParams(Model):
    supersample: Whole = Field(ge=1, le=20)
    priority: Unique[ClassName]
    min_share: dict[ClassName, Annotated[Number, Field(gt=0, le=1)]]
    line_width_m: dict[str, Width]
    default_line_width_m: Width
    lane_width_m: Width
    unmapped_cell_m: Metres
    ignore_scl: Unique[Annotated[Whole, Field(ge=0, le=11)]]
    cloud_dilation_m: Metres
    s2cloudless: S2Cloudless | None = None


class OverpassOsm(Model):
    """OpenStreetMap from an Overpass server, in its state of today or of a date."""

    provider: Literal["overpass"]
    address: Url = "https://overpass-api.de/api"
    date: SceneOrTime | None = None
    max_query_km2: Number = Field(default=100, gt=0, le=2000)
    timeout_s: Whole = Field(default=180, ge=1, le=3600)
    attempts: Whole = Field(default=6, ge=1, le=20)
    rate_limit: bool = True


class PbfOsm(Model):
    """An OpenStreetMap extract on this machine (.osm.pbf, .osm, .osm.bz2)."""

    provider: Literal["pbf"]
    path: FilePath
    date: UtcTime | None = None


class NoOsm(Model):
    """No OpenStreetMap: the labels come from elsewhere."""

    provider: Literal["none"]


Osm = Annotated[OverpassOsm | PbfOsm | NoOsm, Field(discriminator="provider")]


class OsmLabels(Model):
    """Labels rasterized from the city's OpenStreetMap features; `background` where there is none."""

    source: Literal["osm"]
    background: ClassName = "other"


class RasterLabels(Model):
    """Labels from a classified raster: its values to our class names, or a table by name.

    Values that `remap` lacks are ignored; more than `max_unknown_share` of them is an error.
    """

    source: Literal["raster"]
    path: FilePath
    remap: ValueTable
    same_grid: bool = False
    max_unknown_share: Share = 1.0


class Annotation(Model):
    """What is drawn on images: how it is read, and the class of each kind of it.

    Lines are as wide as the attribute `width` (metres) says, else the attribute `lanes`,
    else `labels.default_line_width_m`.
    """

    format: Literal["ogr", "labelme", "cvat"] = "ogr"
    layer: str | None = None
    image: str | None = None
    attribute: str | None = None
    classes: dict[str, ClassName] | ClassName = Field(min_length=1)
    width: str | None = None
    lanes: str | None = None
    background: ClassName = IGNORE_NAME

    @field_validator("classes", mode="before")
    @classmethod
    def _keys_as_text(cls, classes: Any) -> Any:
        return {str(key): name for key, name in classes.items()} if isinstance(classes, dict) else classes

    @model_validator(mode="after")
    def _table_needs_an_attribute(self) -> Self:
        if self.format == "ogr" and (self.attribute is None) == isinstance(self.classes, dict):
            raise ValueError(
                "classes must be a class name, or with attribute a table from its values to class names"
            )
        if self.format != "ogr" and not isinstance(self.classes, dict):
            raise ValueError(f"classes must be a table of the labels in the {self.format} file")
        return self


class VectorLabels(Annotation):
    """Labels from annotation or survey data: a file of docs/security.md, Labelme JSON or CVAT XML."""

    source: Literal["vector"]
    path: FilePath


class PolygonLabels(Annotation):
    """Labels of a city whose scene is an image folder: what is drawn on each image.

    `files` names the one of an image by the fields of `scene.images`, or is one file of all, without a
    field. Vector files are read where the image lies on Earth; Labelme and CVAT draw in pixels of the
    image, which `image` names in a file of CVAT, such as ``{id}.png``. With `skip_damaged`, images
    whose file is missing or damaged have no labels.
    """

    source: Literal["polygons"]
    files: str = Field(min_length=1)
    skip_damaged: bool = False


class MaskLabels(Model):
    """Labels of a city whose scene is an image folder: a mask for each image.

    `masks` names the mask of an image by the fields of `scene.images`; `remap` has pixel
    values or colours (``"#3c1098"``) as keys, or is the name of a table. Colours that it lacks
    become the nearest one of it if none of red, green and blue differs by more than
    `color_tolerance`. What is still without a class is ignored; more than `max_unknown_share`
    of it is an error. With `one_hot`, the value of a pixel is the number of the band that is set, 0
    without any; `band` is the number of the only one that counts. With `by_place`, a mask that covers more or
    less than its image is read where the image lies on Earth, and what it does not cover is ignored.
    """

    source: Literal["masks"]
    masks: str = Field(pattern=r"\{\w+\}")
    remap: MaskTable
    color_tolerance: Whole = Field(default=0, ge=0, le=255)
    max_unknown_share: Share = 0.1
    one_hot: bool = False
    band: BandNumber | None = None
    by_place: bool = False
    skip_damaged: bool = False

    @model_validator(mode="after")
    def _one_reading(self) -> Self:
        if self.band is not None and (self.one_hot or any(isinstance(key, str) for key in self.remap)):
            raise ValueError("band is of masks with pixel values, without one_hot; leave one of them out")
        return self


def _kind(value: Any) -> str:
    if isinstance(value, LayeredLabels) or (isinstance(value, dict) and "layers" in value):
        return "layered"
    return str(value.get("source") if isinstance(value, dict) else getattr(value, "source", None))


class CorrectionLabels(Model):
    """Labels that people drew in the review desk, in the city's file of `paths.corrections`; a layer only."""

    source: Literal["corrections"]


LayerSource = Annotated[
    OsmLabels | RasterLabels | VectorLabels | CorrectionLabels, Field(discriminator="source")
]


class LayeredLabels(Model):
    """Several sources: a pixel has the class of the first layer that labels it."""

    layers: Unique[str] = Field(min_length=1)
    sources: dict[LayerName, LayerSource]

    @model_validator(mode="after")
    def _named(self) -> Self:
        if set(self.layers) != set(self.sources):
            raise ValueError(f"layers must name each of sources once: {', '.join(self.sources)}")
        return self

    @property
    def source(self) -> str:
        """The layers in one line."""
        return ", ".join(self.layers)


CityLabels = Annotated[
    Annotated[OsmLabels, Tag("osm")]
    | Annotated[RasterLabels, Tag("raster")]
    | Annotated[VectorLabels, Tag("vector")]
    | Annotated[MaskLabels, Tag("masks")]
    | Annotated[PolygonLabels, Tag("polygons")]
    | Annotated[LayeredLabels, Tag("layered")],
    Discriminator(
        _kind,
        custom_error_type="unknown_source",
        custom_error_message="source must be osm, raster, vector, masks or polygons, or layers must name "
        "sources",
    ),
]


LabelSource = OsmLabels | RasterLabels | VectorLabels | MaskLabels | PolygonLabels | CorrectionLabels


def is_corrected(labels: CityLabels) -> bool:
    """Whether corrections are among the sources of a city's labels."""
    return any(isinstance(source, CorrectionLabels) for source in label_sources(labels).values())


def label_sources(labels: CityLabels) -> dict[str, LabelSource]:
    """The sources of a city's labels by their key below `labels`, highest priority first."""
    if isinstance(labels, LayeredLabels):
        return {f".sources.{name}": labels.sources[name] for name in labels.layers}
    return {"": labels}


def named_classes(source: LabelSource) -> dict[str, list[ClassName]]:
    """The class names that a source of labels uses, by parameter; `ignore` is no class."""
    named: dict[str, list[ClassName]] = {}
    for key in ("remap", "classes", "background"):
        value = getattr(source, key, IGNORE_NAME)
        names = list(value.values()) if isinstance(value, dict) else [value]
        named[key] = [name for name in names if name != IGNORE_NAME]
    return named
