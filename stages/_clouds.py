"""A city's cloud mask, as the stages that must not guess under clouds read it."""

from contextlib import ExitStack

import numpy as np

from urbanseg import labels, paths, raster
from urbanseg.params import LabelParams


def clouded(city: str, params: LabelParams, scene: raster.Reader, inputs: ExitStack) -> labels.Masker:
    """The function that says which pixels of a window lie under clouds; none, without an SCL."""
    if not paths.scl(city).exists():
        return lambda window: np.zeros((window.height, window.width), bool)
    scl = inputs.enter_context(raster.reading(paths.scl(city)))
    raster.require_same_grid(scl.path, scl.grid, scene.path, scene.grid)
    return labels.clouds(scl.read_band, scene.grid, params)
