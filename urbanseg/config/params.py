"""The pipeline's parameters, typed and validated. The only reader of params.yaml.

Each section of params.yaml is a model here; its comments there say what a knob does.
Checks that need more than one knob (overlap below the tile size) are validators.
"""

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from urbanseg.classes import REST, ClassTable, LandClass
from urbanseg.config import yaml_text
from urbanseg.config.base import (
    ENCODER_STRIDE,
    NO_SECRET,
    FilePath,
    Model,
    Number,
    Percent,
    Pixels,
    Seed,
    Share,
    Whole,
    check_window,
)
from urbanseg.config.change import ChangeParams
from urbanseg.config.class_table import MOST, ClassParams, by_id, fitted
from urbanseg.config.evaluate import EvaluateParams
from urbanseg.config.export import ExportParams
from urbanseg.config.folder import FolderScene, SplitLists
from urbanseg.config.labels import (
    CityLabels,
    LabelParams,
    Osm,
    OsmParams,
    label_sources,
    named_classes,
)
from urbanseg.config.names import LONGEST, BandName, CityName, ClassName, RegionName, Title
from urbanseg.config.predict import PredictParams
from urbanseg.config.region import RegionParams
from urbanseg.config.repair import RepairParams
from urbanseg.config.sampling import SamplingParams
from urbanseg.config.scene import LocalScene, SentinelHubScene, SimulatedScene, StacScene
from urbanseg.config.sentences import first_wrong, place_of_secret
from urbanseg.config.train import TrainParams
from urbanseg.config.vectorize import VectorizeParams
from urbanseg.errors import PipelineError

log = logging.getLogger(__name__)


Entry = TypeVar("Entry")


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


class Divide(Model):
    """Pixels are divided by a number, the same for all bands or one for each."""

    divide: Annotated[Number, Field(gt=0, le=1e9)] | dict[BandName, Annotated[Number, Field(gt=0, le=1e9)]]


class Percentiles(Model):
    """Of each band, these percentiles of the training pixels become 0 and 1."""

    percentiles: tuple[Percent, Percent]

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.percentiles[0] >= self.percentiles[1]:
            raise ValueError("the first of percentiles must be below the second")
        return self


class TileParams(Model):
    size: Whole = Field(ge=ENCODER_STRIDE, le=2048)
    overlap: Pixels
    block: Annotated[Pixels, Field(gt=0)]
    gap: Pixels = 0
    split: SplitShares
    min_valid_share: Share
    normalize: Literal["statistics"] | Divide | Percentiles = "statistics"

    @model_validator(mode="after")
    def _geometry(self) -> Self:
        check_window(self.size, self.overlap)
        if self.block < self.size:
            raise ValueError(f"block {self.block} must not be below the tile size {self.size}")
        return self


Scene = Annotated[
    SimulatedScene | LocalScene | SentinelHubScene | StacScene | FolderScene, Field(discriminator="provider")
]


class CityParams(Model):
    title: Title
    role: Literal["train", "holdout"]
    inputs: FilePath
    scene: Scene
    osm: Osm
    labels: CityLabels

    @field_validator("role", mode="before")
    @classmethod
    def _former_role(cls, role: Any) -> Any:
        if role != "target":
            return role
        log.warning(
            "params.yaml: the role target is now called holdout; rename it, the next release refuses it"
        )
        return "holdout"

    @model_validator(mode="after")
    def _labels_have_a_source(self) -> Self:
        for key, source in label_sources(self.labels).items():
            if source.source == "osm" and self.osm.provider == "none":
                raise ValueError(f"labels{key}.source is osm, but osm.provider is none")
        if (self.scene.provider == "folder") != (self.labels.source in {"masks", "polygons"}):
            raise ValueError(
                "scene.provider folder and labels.source masks or polygons go together: one needs the other"
            )
        if self.role == "holdout" and isinstance(self.scene, FolderScene):
            splits = self.scene.splits
            if not isinstance(splits, SplitLists) or (splits.train, splits.val) != ([], []):
                raise ValueError("a holdout city is for testing alone: set splits.train and splits.val to []")
        return self


class Params(Model):
    """All of params.yaml."""

    seed: Seed
    classes: dict[ClassName, ClassParams] = Field(min_length=2, max_length=MOST)
    cities: dict[CityName, CityParams] = Field(min_length=1)
    osm: OsmParams
    labels: LabelParams
    repair: RepairParams = Field(default_factory=RepairParams)
    tiles: TileParams
    train: TrainParams
    export: ExportParams
    predict: PredictParams
    vectorize: VectorizeParams
    change: ChangeParams
    evaluate: EvaluateParams
    sampling: SamplingParams
    regions: dict[RegionName, RegionParams] = Field(default_factory=dict)

    @field_validator("classes")
    @classmethod
    def _ids(cls, classes: dict[str, ClassParams]) -> dict[str, ClassParams]:
        return by_id(classes)

    @field_validator("classes")
    @classmethod
    def _titles(cls, classes: dict[str, ClassParams]) -> dict[str, ClassParams]:
        named: dict[str, str] = {}
        for name, c in classes.items():
            title = c.title or name.replace("_", " ")
            if (other := named.setdefault(title, name)) != name:
                raise ValueError(f"{other} and {name} are both shown as {title!r}; change a title")
        return classes

    @model_validator(mode="after")
    def _class_names(self) -> Self:
        named: dict[str, Collection[str]] = {
            "osm.rules": self.osm.rules,
            "labels.priority": self.labels.priority,
            "labels.min_share": self.labels.min_share,
            "train.only_class": [self.train.only_class] if self.train.only_class else [],
            "evaluate.targets": [name for name in self.evaluate.targets if name != "overall"],
            "repair.doubt.classes": self.repair.doubt.classes,
            "predict.classes": self.predict.classes or [],
            "predict.min_confidence": self.predict.min_confidence,
        }
        for key, used in self.vectorize.named_classes().items():
            named[f"vectorize.{key}"] = used
        for city, params in self.cities.items():
            for source_key, source in label_sources(params.labels).items():
                for key, used in named_classes(source).items():
                    named[f"cities.{city}.labels{source_key}.{key}"] = used
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

    @model_validator(mode="after")
    def _instances(self) -> Self:
        if not self.train.instances:
            return self
        if not self.class_table.of_kind("building"):
            raise ValueError(
                "train.instances tells buildings apart, but no class is of the kind building "
                "(classes.<name>.kind)"
            )
        if self.repair.align.max_px > 0:
            raise ValueError(
                "train.instances and repair.align do not go together, since footprints are not moved with "
                "the labels; set train.instances to false, or repair.align.max_px to 0"
            )
        return self

    @model_validator(mode="after")
    def _crop_of_a_tile(self) -> Self:
        if self.train.crop > self.tiles.size:
            raise ValueError(
                f"train.crop {self.train.crop} must not be above the tile size {self.tiles.size} (tiles.size)"
            )
        return self

    @model_validator(mode="after")
    def _something_else(self) -> Self:
        only, rest = self.train.only_class, self.class_table.rest
        if only is not None and rest is None:
            raise ValueError("train.only_class needs a class of the kind other, which all the rest is")
        if only is not None and self.class_table.kinds[only] == REST:
            raise ValueError(f"train.only_class: {only} is what the rest is called; name another class")
        sources = [source for city in self.cities.values() for source in label_sources(city.labels).values()]
        if not self.osm.rules and any(source.source == "osm" for source in sources):
            raise ValueError("osm.rules makes none of the classes; give each a rule, or take other labels")
        return self

    @model_validator(mode="after")
    def _enough_points(self) -> Self:
        if self.sampling.points < 2 * len(self.classes):
            raise ValueError(
                f"sampling.points must be {2 * len(self.classes)} at least, two of each of "
                f"{len(self.classes)} classes"
            )
        return self

    @property
    def training_seed(self) -> int:
        """Seed of the training: its own, or the one of everything."""
        return self.seed if self.train.seed is None else self.train.seed

    @property
    def class_table(self) -> ClassTable:
        """The classes as the library knows them."""
        return ClassTable(
            tuple(LandClass(c.id, name, c.color, c.title, c.kind) for name, c in self.classes.items())
        )

    def city(self, name: str) -> CityParams:
        """Parameters of one city.

        Raises:
            PipelineError: if there is no such city.
        """
        return _named(name, self.cities, "city", "cities")

    def region(self, name: str) -> RegionParams:
        """Parameters of one region.

        Raises:
            PipelineError: if there is no such region.
        """
        return _named(name, self.regions, "region", "regions")


def _named(name: str, entries: Mapping[str, Entry], what: str, section: str) -> Entry:
    if name not in entries:
        raise PipelineError(
            f"params.yaml: there is no {what} {name[:LONGEST]!r} under {section}; "
            f"the {section} are {', '.join(entries) or 'none'}"
        )
    return entries[name]


def load(path: Path) -> Params:
    """Read and validate params.yaml.

    Raises:
        PipelineError: naming the first wrong key and what is wrong with it. No error repeats or
            chains a value that may hold a secret.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise PipelineError(f"{path} does not exist; run from the project's folder") from error
    return parse(yaml_text.decoded(content, str(path)), str(path))


def parse(text: str, name: str) -> Params:
    """Read and validate the text of params.yaml; `name` stands for it in errors.

    Raises:
        PipelineError: as `load`.
    """
    return validated(yaml_text.read(text, name), name)


def validated(raw: Any, name: str) -> Params:
    """Validate the values of params.yaml; `name` stands for it in errors.

    Raises:
        PipelineError: as `load`.
    """
    if not isinstance(raw, dict):
        raise PipelineError(
            f"{name} holds no parameters, which are lines such as seed: 7; restore it from git"
        )
    if key := place_of_secret(raw):
        raise PipelineError(f"{name}: {key}: {NO_SECRET}")
    raw, said = fitted(raw)
    for sentence in said:
        log.info("%s: %s", name, sentence)
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        raise PipelineError(f"{name}: {first_wrong(error, raw)}") from None
