"""Images that belong to no city of params.yaml: their bands, and colours for their classes.

What a stage takes from params.yaml is found in the image here, or given on the command line.
"""

import colorsys
import logging
from collections.abc import Sequence

import numpy as np

from urbanseg.classes import ClassTable, LandClass
from urbanseg.errors import PipelineError
from urbanseg.io.raster import Reader
from urbanseg.model.spec import Spec

log = logging.getLogger(__name__)

COMMON_NAMES = {"b02": "blue", "b03": "green", "b04": "red", "b08": "nir"}
"""Common names of STAC's extension for bands by the names of Sentinel-2's."""

SAMPLE_PX = 512
"""Side of the decimated image that is compared with what the model was trained on."""


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
    plain = name.strip().lower()
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
    wanted, names = _wanted(spec), [common_name(text) for text in descriptions]
    if missing := [own for own, name in wanted.items() if name not in names]:
        raise PipelineError(
            f"{scene} has the bands {', '.join(descriptions) or 'without names'}, but the model needs "
            f"{', '.join(spec.bands)} and {', '.join(missing)} is missing; name them under "
            "cities.<city>.scene.bands, or train on this sensor"
        )
    if twice := [own for own, name in wanted.items() if names.count(name) > 1]:
        raise PipelineError(f"{scene} has two bands for {twice[0]}; give one of them another name")
    return [names.index(name) + 1 for name in wanted.values()]


def find_bands(image: Reader, spec: Spec, named: dict[str, int] | None) -> list[int]:
    """1-based numbers of the image's bands that the model wants, in its order.

    By `named`, else by the bands' descriptions, else by their colours, as files of
    red, green and blue declare them.

    Args:
        image: the open image.
        spec: of the model.
        named: numbers of bands by name, or None.

    Returns:
        A number for each band of the model.

    Raises:
        PipelineError: if one is missing.
    """
    colors = [color.name for color in image.dataset.colorinterp]
    names = [text or color for text, color in zip(image.info.descriptions, colors, strict=True)]
    given = named if named is not None else {name: i for i, name in reversed(list(enumerate(names, start=1)))}
    found = {common_name(name): number for name, number in given.items()}
    wanted = _wanted(spec)
    if missing := [own for own, name in wanted.items() if name not in found]:
        raise PipelineError(
            f"{image.path} has the bands {', '.join(names)}, but the model needs {', '.join(spec.bands)} "
            f"and {', '.join(missing)} is missing; say which is which with --bands, such as "
            f"--bands {','.join(f'{band}={i}' for i, band in enumerate(spec.bands, start=1))}"
        )
    numbers = [found[name] for name in wanted.values()]
    if not all(1 <= number <= image.info.count for number in numbers):
        raise PipelineError(f"{image.path} has {image.info.count} bands; --bands asks for {max(numbers)}")
    return numbers


def _wanted(spec: Spec) -> dict[str, str]:
    """The common name of each band of the model."""
    return {band: common_name(band) for band in spec.bands}


def warn_of_other_units(image: Reader, bands: Sequence[int], spec: Spec) -> None:
    """Warn in the log if an image's values are far from those that the model was trained on.

    Args:
        image: the open image.
        bands: 1-based numbers of its bands, in the model's order.
        spec: of the model.
    """
    sample = image.decimated(SAMPLE_PX, bands)
    for name, band, mean, std in zip(spec.bands, sample, spec.mean, spec.std, strict=True):
        values = band.compressed()
        middle = float(np.median(values)) if len(values) else mean
        if abs(middle - mean) > 3 * std:
            log.warning(
                "%s: the band %s is around %.4g, but the model was trained on %.4g ± %.4g; "
                "scale the image to the same units, or the classes will be wrong",
                image.path, name, middle, mean, std,
            )  # fmt: skip


def class_table(names: Sequence[str], known: ClassTable | None) -> ClassTable:
    """The model's classes, in the colours of `known` if it has the same names, else in distinct hues."""
    if known is not None and known.names == list(names):
        return known
    hues = ((i * 0.618034) % 1 for i in range(len(names)))  # the golden ratio keeps neighbours apart
    colors = [bytes(round(255 * v) for v in colorsys.hsv_to_rgb(hue, 0.6, 0.8)).hex() for hue in hues]
    return ClassTable(tuple(LandClass(i, name, f"#{colors[i]}") for i, name in enumerate(names)))
