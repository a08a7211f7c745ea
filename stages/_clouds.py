"""A city's cloud mask, as the stages that must not guess under clouds read it."""

from contextlib import ExitStack

import numpy as np

from urbanseg import labels, paths
from urbanseg.config.labels import LabelParams
from urbanseg.grid import Window
from urbanseg.io import raster


def clouded(city: str, params: LabelParams, scene: raster.Reader, inputs: ExitStack) -> labels.Masker:
    """The function that says which pixels of a window lie under clouds.

    By the SCL, where there is one, and by s2cloudless, where it is asked for.
    """
    masks = []
    if paths.scl(city).exists():
        scl = inputs.enter_context(raster.reading(paths.scl(city)))
        raster.require_same_grid(scl.path, scl.grid, scene.path, scene.grid)
        masks.append(labels.clouds(scl.read_band, scene.grid, params))
    if params.s2cloudless is not None:
        bands, threshold = scene.info.descriptions, params.s2cloudless.threshold
        masks.append(labels.s2cloudless(scene.read, bands, scene.grid, threshold, params.cloud_dilation_m))

    def under_cloud(window: Window) -> labels.Mask:
        found = np.zeros((window.height, window.width), bool)
        for mask in masks:
            found |= mask(window)
        return found

    return under_cloud
