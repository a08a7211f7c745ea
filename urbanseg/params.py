"""The pipeline's parameters, typed and validated. The only reader of params.yaml.

Each section of params.yaml is a model here; its comments there say what a knob does.
Checks that need more than one knob (overlap below the tile size) are validators.
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from urbanseg.classes import ClassTable, LandClass
from urbanseg.errors import PipelineError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Metres = Annotated[float, Field(ge=0)]
ENCODER_STRIDE = 32
"""Encoders halve the image five times: tile sizes must be multiples of this."""


RESERVED = {"training", "overall"}
"""Files in metrics/ that are no city's."""


class Model(BaseModel):
    """Base of all sections: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ClassParams(Model):
    id: int = Field(ge=0, le=254)
    color: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")


class TagRule(Model):
    """Features whose tags all match; `"*"` is any value but `no`."""

    geometry: Literal["area", "line"]
    tags: dict[str, Literal["*"] | list[str]] = Field(min_length=1)


class OsmParams(Model):
    rules: dict[str, list[TagRule]]
    skip: list[dict[str, Literal["*"] | list[str]]] = []
    keep_tags: list[str] = []


class LabelParams(Model):
    supersample: int = Field(ge=1, le=20)
    priority: list[str] = Field(min_length=1)
    min_share: dict[str, Annotated[float, Field(gt=0, le=1)]]
    line_width_m: dict[str, Positive]
    default_line_width_m: Positive
    lane_width_m: Positive
    unmapped_cell_m: Metres
    ignore_scl: list[Annotated[int, Field(ge=0, le=11)]]
    cloud_dilation_m: Metres


class SplitShares(Model):
    train: Share
    val: Share
    test: Share

    @model_validator(mode="after")
    def _sum(self) -> Self:
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train, val and test must add up to 1, got {total:g}")
        return self

    @property
    def values(self) -> tuple[float, float, float]:
        return self.train, self.val, self.test


class TileParams(Model):
    size: int = Field(ge=ENCODER_STRIDE, le=2048)
    overlap: int = Field(ge=0)
    block: int = Field(gt=0)
    split: SplitShares
    min_valid_share: Share

    @model_validator(mode="after")
    def _geometry(self) -> Self:
        _check_window(self.size, self.overlap)
        if self.block < self.size:
            raise ValueError(f"block {self.block} must not be below the tile size {self.size}")
        return self


class LossParams(Model):
    ce_weight: float = Field(ge=0)
    dice_weight: float = Field(ge=0)

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.ce_weight + self.dice_weight == 0:
            raise ValueError("ce_weight and dice_weight must not both be 0")
        return self


class AugmentParams(Model):
    flips: bool
    brightness: float = Field(ge=0, le=1)
    contrast: float = Field(ge=0, le=1)
    noise: float = Field(ge=0, le=1)


class TrainParams(Model):
    arch: str
    encoder: str
    encoder_weights: Literal["imagenet"] | None
    decoder_channels: list[Annotated[int, Field(gt=0)]] = Field(min_length=5, max_length=5)
    upsample: int = Field(ge=1, le=8)
    crop: int = Field(ge=ENCODER_STRIDE, multiple_of=ENCODER_STRIDE)
    epochs: int = Field(ge=1)
    steps_per_epoch: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    learning_rate: Positive
    weight_decay: float = Field(ge=0)
    warmup_epochs: int = Field(ge=0)
    patience: int = Field(ge=1)
    loss: LossParams
    augment: AugmentParams
    device: Literal["auto", "cpu", "cuda"]
    workers: int = Field(ge=0)
    threads: int = Field(ge=1)


class PredictParams(Model):
    size: int = Field(ge=ENCODER_STRIDE, le=4096)
    overlap: int = Field(ge=0)
    batch_size: int = Field(ge=1)
    device: Literal["auto", "cpu", "cuda"]
    threads: int = Field(ge=1)

    @model_validator(mode="after")
    def _geometry(self) -> Self:
        _check_window(self.size, self.overlap)
        return self


class VectorizeParams(Model):
    min_area_m2: Metres
    min_spur_m: Metres


class Target(Model):
    acceptable: Share
    good: Share

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.acceptable > self.good:
            raise ValueError(f"acceptable {self.acceptable:g} must not be above good {self.good:g}")
        return self


class RoadScoreParams(Model):
    connectivity_snap_m: Positive
    buffer_m: Positive
    apls_snap_m: Positive
    apls_spacing_m: Positive
    apls_min_path_m: Metres


class BootstrapParams(Model):
    cell_m: Positive
    samples: int = Field(ge=100)


class EvaluateParams(Model):
    boundary_tolerance_m: Positive
    boundary_tolerances_px: list[Positive]
    boundary_tolerances_m: list[Positive]
    roads: RoadScoreParams
    bootstrap: BootstrapParams
    workers: int = Field(ge=1)
    targets: dict[str, Target]


class LayoutParams(Model):
    """The embedded city: what its street plan looks like. Lengths in metres."""

    seed: int
    style: Literal["river", "oasis"]
    longitude: float = Field(ge=-180, le=180)
    latitude: float = Field(ge=-80, le=80)
    width_m: float = Field(ge=640, le=50_000)
    height_m: float = Field(ge=640, le=50_000)


class SimulatedScene(Model):
    """A Sentinel-2 scene rendered from a map: the embedded city's, or a real extract's."""

    provider: Literal["simulated"]
    layout: LayoutParams | None = None
    osm_path: Path | None = None
    climate: Literal["temperate", "arid"] = "temperate"
    resolution_m: Positive = 10.0
    render_m: Positive = 2.0
    datetime: str
    sun_azimuth: float = Field(ge=0, le=360)
    sun_elevation: float = Field(ge=8, le=90)
    noise: float = Field(ge=0, le=0.1)
    haze: float = Field(ge=0, le=0.2)
    cloud_share: Share

    @field_validator("datetime")
    @classmethod
    def _with_offset(cls, text: str) -> str:
        return _check_datetime(text)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.layout is None) == (self.osm_path is None):
            raise ValueError("give exactly one of layout (the embedded city) and osm_path (a real extract)")
        return self

    @model_validator(mode="after")
    def _whole_factor(self) -> Self:
        factor = self.resolution_m / self.render_m
        if factor < 1 or abs(factor - round(factor)) > 1e-9:
            raise ValueError(
                f"resolution_m {self.resolution_m:g} must be a whole multiple of render_m {self.render_m:g}"
            )
        return self


class LocalScene(Model):
    """Any GeoTIFF on this machine."""

    provider: Literal["local"]
    path: Path
    bands: dict[str, Annotated[int, Field(ge=1)]] = Field(min_length=1)
    nodata: float | None = None
    datetime: str | None = None
    bbox: tuple[float, float, float, float] | None = None

    @field_validator("datetime")
    @classmethod
    def _with_offset(cls, text: str | None) -> str | None:
        return None if text is None else _check_datetime(text)

    @field_validator("bbox")
    @classmethod
    def _not_empty(cls, box: Any) -> Any:
        return _check_bbox(box)


Scene = Annotated[SimulatedScene | LocalScene, Field(discriminator="provider")]


class PbfOsm(Model):
    """An OpenStreetMap extract on this machine (.osm.pbf, .osm, .osm.bz2)."""

    provider: Literal["pbf"]
    path: Path


class NoOsm(Model):
    """No OpenStreetMap: the labels come from elsewhere."""

    provider: Literal["none"]


Osm = Annotated[PbfOsm | NoOsm, Field(discriminator="provider")]


class OsmLabels(Model):
    """Labels burnt from the city's OpenStreetMap features."""

    source: Literal["osm"]


class RasterLabels(Model):
    """Labels from a classified raster: its values to our class names (or `ignore`)."""

    source: Literal["raster"]
    path: Path
    remap: dict[int, str] = Field(min_length=1)


Labels = Annotated[OsmLabels | RasterLabels, Field(discriminator="source")]


class CityParams(Model):
    title: str
    role: Literal["train", "target"]
    inputs: Path
    scene: Scene
    osm: Osm
    labels: Labels

    @model_validator(mode="after")
    def _labels_have_a_source(self) -> Self:
        if self.labels.source == "osm" and self.osm.provider == "none":
            raise ValueError("labels.source is osm, but osm.provider is none")
        return self


class Params(Model):
    """All of params.yaml."""

    seed: int = Field(ge=0)
    classes: dict[str, ClassParams] = Field(min_length=2, max_length=64)
    cities: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], CityParams] = Field(min_length=1)
    osm: OsmParams
    labels: LabelParams
    tiles: TileParams
    train: TrainParams
    predict: PredictParams
    vectorize: VectorizeParams
    evaluate: EvaluateParams

    @field_validator("classes")
    @classmethod
    def _ids(cls, classes: dict[str, ClassParams]) -> dict[str, ClassParams]:
        ids = [c.id for c in classes.values()]
        if ids != list(range(len(ids))):
            raise ValueError(f"ids must be 0 to {len(ids) - 1} in order, got {ids}")
        return classes

    @field_validator("cities")
    @classmethod
    def _free_names(cls, cities: dict[str, CityParams]) -> dict[str, CityParams]:
        for name in cities:
            if name in RESERVED:
                raise ValueError(f"a city can't be called {name}: metrics/{name}.json is another file")
        return cities

    @model_validator(mode="after")
    def _class_names(self) -> Self:
        named = {
            "osm.rules": self.osm.rules,
            "labels.priority": self.labels.priority,
            "labels.min_share": self.labels.min_share,
            "evaluate.targets": [name for name in self.evaluate.targets if name != "overall"],
        }
        for city, params in self.cities.items():
            if isinstance(params.labels, RasterLabels):
                named[f"cities.{city}.labels.remap"] = [
                    name for name in params.labels.remap.values() if name != "ignore"
                ]
        for key, names in named.items():
            for name in names:
                if name not in self.classes:
                    raise ValueError(
                        f"{key} names the class {name!r}, but the classes are {', '.join(self.classes)}"
                    )
        if unranked := set(self.osm.rules) - set(self.labels.priority):
            raise ValueError(f"labels.priority lacks {', '.join(sorted(unranked))}")
        if unshared := set(self.osm.rules) - set(self.labels.min_share):
            raise ValueError(f"labels.min_share lacks {', '.join(sorted(unshared))}")
        return self

    @property
    def class_table(self) -> ClassTable:
        """The classes as the library knows them."""
        return ClassTable(tuple(LandClass(c.id, name, c.color) for name, c in self.classes.items()))

    def city(self, name: str) -> CityParams:
        """Parameters of one city.

        Raises:
            PipelineError: if there is no such city.
        """
        if name not in self.cities:
            raise PipelineError(
                f"params.yaml: there is no city {name!r} under cities; "
                f"the cities are {', '.join(self.cities)}"
            )
        return self.cities[name]


def load(path: Path) -> Params:
    """Read and validate params.yaml.

    It is YAML 1.2, where ``yes`` is a word and no boolean: so DVC reads it, and so writes it
    (without quotes) when an experiment sets a parameter.

    Raises:
        PipelineError: naming the first wrong key and what is wrong with it.
    """
    try:
        raw = YAML(typ="safe", pure=True).load(path.read_text())
    except FileNotFoundError as error:
        raise PipelineError(f"{path} does not exist; run from the project's folder") from error
    except YAMLError as error:
        raise PipelineError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        raise PipelineError(f"{path}: {_sentence(error)}") from error


def _sentence(error: ValidationError) -> str:
    """The first error as ``key: what is wrong``, and how many more there are."""
    first, *rest = error.errors()
    parts = [str(part) for part in first["loc"] if part != "[key]"]
    if parts[:1] == ["cities"]:
        del parts[3:4]  # the provider or source, by which pydantic chose the model
    key = ".".join(parts) or "the file"
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if first["type"] == "missing":
        message = "is missing; add it"
    elif first["type"] == "extra_forbidden":
        message = "is not a parameter; remove it or correct its spelling"
    elif not isinstance(first["input"], dict | list):
        message += f", got {first['input']!r}"
    more = f" (and {len(rest)} more)" if rest else ""
    return f"{key}: {message}{more}"


def _check_window(size: int, overlap: int) -> None:
    if size % ENCODER_STRIDE:
        raise ValueError(f"size must be a multiple of {ENCODER_STRIDE}, which the encoder needs, got {size}")
    if overlap >= size:
        raise ValueError(f"overlap {overlap} must be below the size {size}")


def _check_datetime(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("must be an ISO date and time with its offset, such as 2023-06-14T10:26:00Z")
    return text


def _check_bbox(box: tuple[float, float, float, float] | None) -> tuple[float, float, float, float] | None:
    if box is not None and not (box[0] < box[2] and box[1] < box[3]):
        raise ValueError("bbox must be west, south, east, north with west < east and south < north")
    return box
