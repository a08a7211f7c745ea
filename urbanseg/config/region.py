"""The `regions` section of params.yaml: areas larger than a scene, which are cut into cells."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from urbanseg.config.base import FilePath, Model, Number, Pixels, Processes, Whole, check_address
from urbanseg.config.names import Title
from urbanseg.config.scene import SentinelHubScene, StacScene

PROJECT_MODEL = "project"
"""Stands for the model that this project trains."""

LEAST_CELL_PX, MOST_CELL_PX = 64, 16_384

MEMORY = r"^\d+(\.\d+)? ?(MB|MiB|GB|GiB)$"


class CellParams(Model):
    """The squares that a region is cut into."""

    size_px: Whole = Field(default=2560, ge=LEAST_CELL_PX, le=MOST_CELL_PX)
    context_px: Pixels = 128


class WorkParams(Model):
    """Who maps the cells, and within which limits; none of it changes a byte of the result."""

    scheduler: Annotated[str, BeforeValidator(check_address)] = Field(
        default="processes", pattern=r"^(processes|(tcp|tls)://\S+:\d+)$"
    )
    workers: Processes = 2
    memory_limit: str = Field(default="2 GiB", pattern=MEMORY)
    retries: Whole = Field(default=2, ge=0, le=20)
    requests_per_s: Number = Field(default=10, gt=0, le=10_000)


class RegionParams(Model):
    """A region: where and when, by which model, in which cells."""

    title: Title
    inputs: FilePath
    model_inputs: FilePath
    scene: Annotated[StacScene | SentinelHubScene, Field(discriminator="provider")]
    model: str = Field(min_length=1, max_length=200)
    cells: CellParams = CellParams()
    zones: FilePath | None = None
    work: WorkParams = WorkParams()

    @model_validator(mode="after")
    def _model_is_watched(self) -> Self:
        if self.model == PROJECT_MODEL and str(self.model_inputs) != "models/segmenter":
            raise ValueError(
                "model is that of this project, so model_inputs must be models/segmenter, which DVC watches"
            )
        return self

    @model_validator(mode="after")
    def _context_below_the_cell(self) -> Self:
        if self.cells.context_px > self.cells.size_px:
            raise ValueError(
                f"cells.context_px {self.cells.context_px} must not be above "
                f"cells.size_px {self.cells.size_px}"
            )
        return self
