"""What a worker of a Dask cluster predicts: files and options."""

from dataclasses import dataclass
from pathlib import Path

from urbanseg.calibration.stored import Calibration
from urbanseg.classes import REST
from urbanseg.config.predict import PredictParams


@dataclass(frozen=True)
class Job:
    """What a worker needs to predict; paths are absolute and the same on all machines."""

    scene: Path
    model: Path
    exported: Path
    options: PredictParams
    classes: tuple[str, ...] = ()
    """Names of the classes in the order that is wanted; empty for the model's own."""
    rest: str | None = REST
    """Name of the class of pixels that no class is sure of, if there is one."""
    roads: tuple[str, ...] = ("road",)
    """Names of the classes of roads, whose probability is kept."""
    calibration: Calibration | None = None
