"""Images that belong to no city of params.yaml: their bands, and colours for their classes.

What a stage takes from params.yaml is found in the image here, or given on the command line.
"""

import colorsys
import logging
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from urbanseg.classes import ClassTable, LandClass
from urbanseg.errors import PipelineError
from urbanseg.model.spec import CLIP, Spec

log = logging.getLogger(__name__)

COMMON_NAMES = {
    "b01": "coastal", "b02": "blue", "b03": "green", "b04": "red", "b05": "rededge071", "b06": "rededge075",
    "b07": "rededge078", "b08": "nir", "b8a": "nir08", "b09": "nir09", "b11": "swir16", "b12": "swir22",
    "near_infrared": "nir", "nearinfrared": "nir", "infrared": "nir",
}  # fmt: skip
"""Common names of STAC's extension for bands by the names of Sentinel-2's and by others."""

SAMPLE_PX = 512
"""Side of the decimated image by whose values its units are told."""

DARKEST, BRIGHT = 0.35, 90
"""An image whose bright pixels (this percentile) reach less than this share of the training's mean, in
every band, is in other units. Open sea reaches 0.5 of a city's; 8 bit against reflectance × 10000 0.15."""


def parse_bands(text: str) -> dict[str, int]:
    """Numbers of bands by name, from ``red=1,green=2``.

    Raises:
        PipelineError: if the text reads otherwise.
    """
    pairs = [part.split("=") for part in text.split(",")]
    if not all(len(pair) == 2 and pair[0].strip() and pair[1].strip().isdecimal() for pair in pairs):
        raise PipelineError(f"--bands must read like red=1,green=2,blue=3, got {text}")
    return {name.strip(): int(number) for name, number in pairs}


def common_name(name: str) -> str:
    """The name by which a band is known whatever its file calls it: ``B02`` and ``Blue`` are ``blue``."""
    plain = re.sub(r"[\s_-]+", "_", name.strip().lower())
    plain = re.sub(r"^b(\d)$", r"b0\1", plain)
    return COMMON_NAMES.get(plain, plain)


def select_bands(descriptions: Sequence[str], spec: Spec, scene: str) -> list[int]:
    """1-based numbers of the scene's bands that the model wants, in its order.

    Args:
        descriptions: names of the scene's bands.
        spec: of the model.
        scene: the scene's name, for the error.

    Returns:
        A number for each band of the model.

    Raises:
        PipelineError: if the scene lacks one, or has two of the name.
    """
    wanted, names = wanted_bands(spec), [common_name(text) for text in descriptions]
    if missing := [own for own, name in wanted.items() if name not in names]:
        raise PipelineError(
            f"{scene} has the bands {', '.join(descriptions) or 'without names'}, but the model needs "
            f"{', '.join(spec.bands)} and {', '.join(missing)} is missing; name them under "
            "cities.<city>.scene.bands, or train on this sensor"
        )
    if twice := [own for own, name in wanted.items() if names.count(name) > 1]:
        raise PipelineError(f"{scene} has two bands for {twice[0]}; give one of them another name")
    return [names.index(name) + 1 for name in wanted.values()]


def wanted_bands(spec: Spec) -> dict[str, str]:
    """The common name of each band of the model."""
    return {band: common_name(band) for band in spec.bands}


def other_units(sample: Sequence[NDArray[np.float64]], spec: Spec) -> str | None:
    """How the values of an image show that they are in other units than the model's training; None if not.

    Scenes of other cities and seasons differ in single bands, by several standard deviations, so all
    bands must be off: too dark by `DARKEST`, or with most pixels beyond `CLIP`, where all values look
    the same to the network.

    Args:
        sample: valid values of each band, none empty.
        spec: of the model.

    Returns:
        The rest of a sentence.
    """
    mean, std = np.asarray(spec.mean), np.asarray(spec.std)
    middle = np.array([np.median(values) for values in sample])
    bright = np.array([np.percentile(np.abs(values), BRIGHT) for values in sample])
    scores = [np.abs(v - m) / s for v, m, s in zip(sample, mean, std, strict=True)]
    beyond = np.array([np.mean(score > CLIP) for score in scores])
    if (bright < DARKEST * np.maximum(np.abs(mean), std / 5)).all():  # a mean may be about 0
        size = "far smaller"
    elif (beyond > 1 / 2).all():
        size = "far larger" if (middle > mean).all() else "far"
    else:
        return None
    values = ", ".join(
        f"{name} {m:.4g} against {t:.4g} ± {s:.4g}"
        for name, m, t, s in zip(spec.bands, middle, mean, std, strict=True)
    )
    than = "from" if size == "far" else "than"
    return (
        f"holds values {size} {than} those of the model's training (medians: {values}), so it is in other "
        "units"
    )


KNOWN_COLORS = {
    "other": "#e8e8e8",
    "building": "#bb2e12",
    "road": "#505050",
    "vegetation": "#5fa979",
    "water": "#3165a2",
    "bare_soil": "#f7ce44",
}
"""Of classes that params.yaml does not colour, by their usual names."""


def class_table(names: Sequence[str], known: ClassTable | None) -> ClassTable:
    """The model's classes, in the colours of `known` if it has their names, else usual or distinct ones."""
    if known is not None and known.names == list(names):
        return known
    hues = ((i * 0.618034) % 1 for i in range(len(names)))  # the golden ratio keeps neighbours apart
    mixed = (bytes(round(255 * v) for v in colorsys.hsv_to_rgb(hue, 0.6, 0.8)).hex() for hue in hues)
    colors = [KNOWN_COLORS.get(name, f"#{color}") for name, color in zip(names, mixed, strict=True)]
    return ClassTable(tuple(LandClass(i, name, colors[i]) for i, name in enumerate(names)))
