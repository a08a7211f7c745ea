"""The pipeline's parameters, typed and validated. The only reader of params.yaml.

Each section of params.yaml is a model here; its comments there say what a knob does.
Checks that need more than one knob (overlap below the tile size) are validators.
"""

import logging
import re
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from urbanseg.classes import ClassTable, LandClass
from urbanseg.config.base import ENCODER_STRIDE, NO_SECRET, NOT_SHOWN, Model, Share, check_window
from urbanseg.config.change import ChangeParams
from urbanseg.config.evaluate import EvaluateParams
from urbanseg.config.export import ExportParams
from urbanseg.config.labels import (
    CityLabels,
    FolderScene,
    LabelParams,
    Osm,
    OsmParams,
    label_sources,
    named_classes,
)
from urbanseg.config.names import CityName, ClassName, Title
from urbanseg.config.predict import PredictParams
from urbanseg.config.sampling import SamplingParams
from urbanseg.config.scene import LocalScene, SentinelHubScene, SimulatedScene, StacScene
from urbanseg.config.train import TrainParams
from urbanseg.config.vectorize import VectorizeParams
from urbanseg.errors import PipelineError
from urbanseg.redact import HIDDEN, holds_secret

log = logging.getLogger(__name__)

OWN_WORDS = re.compile(r"""(?:[^"'\n]|(["'])(?:.{1,2}|<[a-z ]+>)\1)*""")
"""The beginning of what a YAML parser says, until it quotes more of a file than a character or a token."""


class ClassParams(Model):
    id: int = Field(ge=0, le=254)
    color: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")
    title: Title | None = Field(default=None, exclude_if=lambda title: title is None)


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
    inputs: Path
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
        if (self.scene.provider == "folder") != (self.labels.source == "masks"):
            raise ValueError("scene.provider folder and labels.source masks go together: one needs the other")
        if self.role == "holdout" and isinstance(self.scene, FolderScene):
            splits = self.scene.splits
            if (splits.train, splits.val) != ([], []):
                raise ValueError("a holdout city is for testing alone: set splits.train and splits.val to []")
        return self


class Params(Model):
    """All of params.yaml."""

    seed: int = Field(ge=0)
    classes: dict[ClassName, ClassParams] = Field(min_length=2, max_length=64)
    cities: dict[CityName, CityParams] = Field(min_length=1)
    osm: OsmParams
    labels: LabelParams
    tiles: TileParams
    train: TrainParams
    export: ExportParams
    predict: PredictParams
    vectorize: VectorizeParams
    change: ChangeParams
    evaluate: EvaluateParams
    sampling: SamplingParams

    @field_validator("classes")
    @classmethod
    def _ids(cls, classes: dict[str, ClassParams]) -> dict[str, ClassParams]:
        ids = [c.id for c in classes.values()]
        if ids != list(range(len(ids))):
            raise ValueError(f"ids must be 0 to {len(ids) - 1} in order, got {ids}")
        return classes

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
    def _enough_points(self) -> Self:
        needed = self.sampling.min_points * len(self.classes)
        if self.sampling.points < needed:
            raise ValueError(
                f"sampling.points must be {needed} at least, for min_points of {len(self.classes)} classes"
            )
        return self

    @property
    def class_table(self) -> ClassTable:
        """The classes as the library knows them."""
        return ClassTable(tuple(LandClass(c.id, name, c.color, c.title) for name, c in self.classes.items()))

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
        PipelineError: naming the first wrong key and what is wrong with it. No error repeats or
            chains a value that may hold a secret.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise PipelineError(f"{path} does not exist; run from the project's folder") from error
    except UnicodeDecodeError:
        raise PipelineError(f"{path} is not valid YAML: it is not in UTF-8; save it so") from None
    return parse(text, str(path))


def parse(text: str, name: str) -> Params:
    """Read and validate the text of params.yaml; `name` stands for it in errors.

    Raises:
        PipelineError: as `load`.
    """
    try:
        raw = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError) as error:
        raise PipelineError(f"{name} is not valid YAML{_place(error)}") from None
    if key := _secret(raw):
        raise PipelineError(f"{name}: {key}: {NO_SECRET}")
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        raise PipelineError(f"{name}: {_sentence(error)}") from None


def _place(error: Exception) -> str:
    """What is wrong with a YAML file and where, without what stands there."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    own = OWN_WORDS.match(problem or "")
    said = f": {own[0].strip()}" if own and own[0] else ""
    return said + (f", line {mark.line + 1}, column {mark.column + 1}" if mark else "")


def _secret(value: Any, key: str = "") -> str | None:
    """The key of the first text that holds a secret, in any section; None if there is none."""
    if isinstance(value, str | bytes):
        text = value if isinstance(value, str) else value.decode(errors="replace")
        return key if holds_secret(text) else None
    if isinstance(value, dict):
        parts = [(part, _joined(key, name)) for name, inner in value.items() for part in (name, inner)]
    elif isinstance(value, list | tuple | set):
        parts = [(part, key) for part in value]
    else:
        return None
    return next((found for part, name in parts if (found := _secret(part, name))), None)


def _joined(key: str, name: object) -> str:
    part = str(name) if _is_shown(name) else HIDDEN
    return f"{key}.{part}" if key else part


def _is_shown(value: object) -> bool:
    """Whether an error may repeat a value: a number or a date, or a text that is no address."""
    if isinstance(value, str):
        return not re.search(r"[@?=&]|//", value)
    return isinstance(value, bool | int | float | date | None)


def _sentence(error: ValidationError) -> str:
    """The first error as ``key: what is wrong``, and how many more there are."""
    first, *rest = error.errors()
    parts = [str(part) if _is_shown(part) else HIDDEN for part in first["loc"]]
    names_key = parts[-1:] == ["[key]"] and first["type"] == "value_error"  # of `names`: says which
    if parts[-1:] == ["[key]"]:
        del parts[-2 if names_key else -1 :]
    if parts[:1] == ["cities"]:
        del parts[3:4]  # the provider or source, by which pydantic chose the model
        if parts[2:4] == ["labels", "sources"]:
            del parts[5:6]
    key = ".".join(part if part.isprintable() else repr(part) for part in parts) or "the file"
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if first["type"] == "missing":
        message = "is missing; add it"
    elif first["type"] == "extra_forbidden":
        message = "is not a parameter; remove it or correct its spelling"
    elif not _is_shown(tag := first.get("ctx", {}).get("tag")):
        message = message.replace(str(tag), HIDDEN)
    elif first["type"] != NOT_SHOWN and _is_shown(first["input"]) and not names_key:
        message += f", got {first['input']!r}"
    more = f" (and {len(rest)} more)" if rest else ""
    return f"{key}: {message}{more}"
