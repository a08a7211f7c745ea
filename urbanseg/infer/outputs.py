"""The rasters of a prediction: one cloud-optimised GeoTIFF for each layer, filled strip by strip."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from urbanseg import raster
from urbanseg.classes import IGNORE, ClassTable
from urbanseg.grid import Grid
from urbanseg.infer.strips import Strip

LAYERS = ("classes", "confidence")
"""What every prediction has."""


class Rasters:
    """The open rasters of a prediction."""

    def __init__(self, writers: dict[str, raster.Writer]) -> None:
        self.writers = writers

    def write(self, strip: Strip) -> None:
        """Write all layers of a strip."""
        for name, writer in self.writers.items():
            writer.write(strip.layers[name], strip.window)


@contextmanager
def writing(
    folder: Path, grid: Grid, classes: ClassTable, spec_classes: Sequence[str], extras: Iterable[str] = ()
) -> Iterator[Rasters]:
    """Write ``<layer>.tif`` for each layer into `folder`; all appear when all are complete.

    Raises:
        PipelineError: if the disk is full.
    """
    with ExitStack() as stack:
        writers = {}
        for name in (*LAYERS, *extras):
            options: dict[str, Any] = {"resampling": "average"}
            if name == "classes":
                options = {"resampling": "mode", "classes": classes}
            elif name == "probabilities":
                options |= {"count": len(spec_classes), "descriptions": spec_classes}
            path = folder / f"{name}.tif"
            context = raster.writing(path, grid, dtype="uint8", nodata=IGNORE, **options)
            writers[name] = stack.enter_context(context)
        yield Rasters(writers)
