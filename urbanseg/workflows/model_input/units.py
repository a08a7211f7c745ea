"""What the numbers of an image mean, and by what they become the units of a model's training.

What is known comes first: `--scale`, scale and offset in the file's metadata, a known product. What is
left is told from the values of a sample, if they allow but one answer; that is said as a warning. The
rest is refused in a sentence that names `--scale`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg.errors import PipelineError
from urbanseg.infer.images import common_name, other_units
from urbanseg.io.raster import NO_MEASUREMENT
from urbanseg.model.spec import S2_NAME, UNITS, Spec
from urbanseg.workflows.model_input.products import Product

LEAST_10000, MOST_8BIT = 700, 255
"""Mean of a model's brightest band from which its units are reflectance × 10000, and up to which colours."""

BOA_OFFSET = 1000
"""What Sentinel-2's products add to reflectance × 10000 since processing baseline 04.00."""

SHADE = 350
"""Reflectance × 10000 of shade and deep water in the near infrared, at most; they tell an offset."""

DARK_BLUE = 0.08
"""Surface reflectance of shade in blue, green and red, at most; path radiance and raw sensors have more."""

BRIGHTEST = 2.5
"""Reflectance of glints, at most."""

DARKEST_PERCENT = 0.5
"""The darkest share of pixels that counts, in percent, so that a damaged one does not."""


class UnclearError(Exception):
    """The rest of a sentence about an image whose units cannot be told."""


@dataclass(frozen=True)
class Scaling:
    """A number times `scale` plus `offset`, band by band, is in the units of the model's training."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    sentence: str
    """What the numbers are taken for, and why."""
    is_guess: bool = False
    nodata: float | None = None
    """Value of missing pixels, in all bands, where the file names none."""
    floor: float | None = None
    """No value is smaller, such as reflectance."""

    @property
    def is_identity(self) -> bool:
        """Whether the numbers stay as they are."""
        return set(self.scale) == {1.0} and set(self.offset) == {0.0}

    def apply(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Pixels ``(bands, height, width)`` in the model's units: float32, or as they are if in them."""
        if self.is_identity:
            return pixels
        scale, offset = (
            np.asarray(values, np.float32)[:, None, None] for values in (self.scale, self.offset)
        )
        values = pixels.astype(np.float32) * scale + offset
        return values if self.floor is None else np.maximum(values, np.float32(self.floor))


@dataclass(frozen=True)
class Numbers:
    """A sample of an image and what its files say about it; a value for each band of the model."""

    sample: Sequence[NDArray[np.float64]]
    """Values that are measurements; zeros in all bands are none where they may be nodata."""
    dtypes: Sequence[str]
    scales: Sequence[float]
    offsets: Sequence[float]
    """Of the file's metadata."""
    product: Product | None = None
    boa_offset: float | None = None
    """What the processing baseline adds to reflectance, if it is known."""

    @property
    def is_whole(self) -> bool:
        """Whether all are whole numbers."""
        return all(np.dtype(dtype).kind in "ui" for dtype in self.dtypes)


def parse_scale(text: str) -> tuple[float, float]:
    """Factor and offset from ``10`` or ``1,-1000``.

    Raises:
        PipelineError: if the text reads otherwise.
    """
    try:
        factor, offset = [*map(float, text.split(",")), 0.0][:2] if text.count(",") < 2 else (np.nan, 0.0)
    except ValueError:
        factor, offset = np.nan, 0.0
    if not (np.isfinite([factor, offset]).all() and factor > 0):
        raise PipelineError(
            f"--scale must read like 10 or 1,-1000 (a factor above 0, and what is added then), got {text}"
        )
    return factor, offset


def full(spec: Spec) -> tuple[str, float] | None:
    """The units of a model, a key of `UNITS`, and their 100 %; None if they cannot be told.

    Models that do not say are known by the mean of their brightest band and the names of their bands.
    """
    if spec.units is not None:
        return spec.units, UNITS[spec.units]
    names = {common_name(band) for band in spec.bands}
    is_color = names <= {"red", "green", "blue"} and not any(map(S2_NAME.fullmatch, spec.bands))
    brightest = max(spec.mean)
    if brightest >= LEAST_10000:
        unit = "reflectance_10000"
    elif not is_color and 0 < brightest <= 1.5:
        unit = "reflectance"
    elif is_color and 2 < brightest <= MOST_8BIT:
        unit = "uint8"
    else:
        return None
    return unit, UNITS[unit]


def detect(numbers: Numbers, spec: Spec, asked: tuple[float, float] | None = None) -> Scaling:
    """How the numbers of an image become the units of a model's training.

    Args:
        numbers: a sample, and what is known.
        spec: of the model.
        asked: factor and offset of ``--scale``.

    Returns:
        The scaling; of an image without a measurement, none.

    Raises:
        UnclearError: if it cannot be told, or is no unit of the model.
    """
    count = len(spec.bands)
    units = full(spec)
    if asked is not None:
        found = _same(count, *asked, f"its numbers are multiplied by {asked[0]:g}, and {asked[1]:g} is added")
        if numbers.is_whole and units is not None and units[0] != "uint8":
            found = replace(found, nodata=0.0)
    elif not all(len(values) for values in numbers.sample):
        empty = _same(count, 1, 0, "it holds no measurement")
        return replace(empty, nodata=0.0) if numbers.is_whole and units and units[0] != "uint8" else empty
    elif units is None:
        found = _same(count, 1, 0, "its numbers are taken as they are, as the model does not note its units")
    elif units[0] == "uint8":
        found = _colors(numbers, spec)
    else:
        found = _reflectance(numbers, spec, units[1])
    if (problem := other_units(scaled(numbers.sample, found), spec)) is not None:
        raise UnclearError(problem if found.is_identity else f"{problem}, if {found.sentence}")
    return found


def scaled(sample: Sequence[NDArray[np.float64]], scaling: Scaling) -> list[NDArray[np.float64]]:
    """A sample in the units of the model."""
    return [v * a + b for v, a, b in zip(sample, scaling.scale, scaling.offset, strict=True)]


def _same(count: int, scale: float, offset: float, sentence: str, **more: Any) -> Scaling:
    return Scaling((float(scale),) * count, (float(offset),) * count, sentence, **more)


def _colors(numbers: Numbers, spec: Spec) -> Scaling:
    """For a model of colours of 8 bits."""
    count, most = len(spec.bands), max(float(values.max()) for values in numbers.sample)
    if set(numbers.dtypes) == {"uint8"}:
        return _same(count, 1, 0, "its numbers are colours of 8 bits")
    if numbers.is_whole and most <= MOST_8BIT:
        return _same(
            count, 1, 0, f"its numbers, up to {most:g}, are taken for colours of 8 bits", is_guess=True
        )
    if not numbers.is_whole and most <= 1 and all(_is_eighth_bit(values) for values in numbers.sample):
        return _same(count, 255, 0, "its numbers, from 0 to 1, are colours of 8 bits divided by 255")
    if not numbers.is_whole and 2 < most <= MOST_8BIT:
        return _same(
            count, 1, 0, f"its numbers, up to {most:g}, are taken for colours of 8 bits", is_guess=True
        )
    factor = 255 / max(float(np.percentile(np.abs(values), 98)) for values in numbers.sample)
    said = other_units(numbers.sample, spec) or f"holds {numbers.dtypes[0]} numbers up to {most:g}"
    raise UnclearError(
        f"{said}; the model was trained on colours of 8 bits, so say by what to multiply with --scale, such "
        f"as --scale {factor:.3g}, which makes the brightest 2 % white"
    )


def _is_eighth_bit(values: NDArray[np.float64]) -> bool:
    """Whether values are whole numbers divided by 255, of which some are bright."""
    steps = values * 255
    return bool(values.min() >= 0 and np.abs(steps - np.round(steps)).max() < 0.01 and steps.max() > 100)


def _reflectance(numbers: Numbers, spec: Spec, whole: float) -> Scaling:
    """For a model of surface reflectance, `whole` being 100 %."""
    count, product = len(spec.bands), numbers.product
    nodata = 0.0 if numbers.is_whole else None
    if set(numbers.dtypes) == {"uint8"}:
        raise UnclearError(
            f"{other_units(numbers.sample, spec) or 'holds colours of 8 bits'}: colours of 8 bits are no "
            "reflectance, on which the model was trained; name a model of colours with --model, or say by "
            "what to multiply with --scale"
        )
    if product is not None and product.kind == "radiance":
        raise UnclearError(
            f"is {product.name}, no surface reflectance, on which the model was trained; order the product "
            "of surface reflectance (SR), or say by what to multiply with --scale"
        )
    if set(numbers.scales) != {1.0} or set(numbers.offsets) != {0.0}:
        return Scaling(
            tuple(scale * whole for scale in numbers.scales),
            tuple(offset * whole for offset in numbers.offsets),
            f"its metadata say that a number times {numbers.scales[0]:g} plus {numbers.offsets[0]:g} is "
            "reflectance",
            nodata=nodata, floor=0.0,
        )  # fmt: skip
    if product is not None and product.kind == "reflectance" and product.offset is not None:
        sentence = f"its numbers are reflectance × {1 / product.scale:g}, as in {product.name}"
        sentence += f", and {-product.offset / product.scale:g}" if product.offset else ""
        nodata = product.nodata
        return _same(count, product.scale * whole, product.offset * whole, sentence, nodata=nodata, floor=0.0)
    if numbers.boa_offset is not None:
        added = -round(numbers.boa_offset * 1e4)
        sentence = (
            f"its numbers are reflectance × 10000{f' + {added}' if added else ''}, by its processing baseline"
        )
        return _same(count, whole / 1e4, numbers.boa_offset * whole, sentence, nodata=nodata, floor=0.0)
    return _by_values(numbers, spec, whole)


def _by_values(numbers: Numbers, spec: Spec, whole: float) -> Scaling:
    """By a sample: reflectance 0–1, in percent, × 1000, or × 10000 with or without Sentinel-2's offset."""
    count, sample = len(spec.bands), numbers.sample
    most = max(float(np.percentile(values, 99.5)) for values in sample)
    if not numbers.is_whole and most <= BRIGHTEST:
        said = f"its numbers, up to {most:.3g}, are taken for reflectance from 0 to 1"
        return _same(count, whole, 0, said, is_guess=True, floor=0.0)
    as_10000 = [values * (whole / 1e4) for values in sample]
    problem = other_units(as_10000, spec)
    if problem is None:
        return _with_or_without_offset(numbers, spec, whole)
    for factor, name in ((1e3, "reflectance × 1000"), (1e2, "reflectance in percent")):
        is_possible = numbers.is_whole if factor == 1e3 else not numbers.is_whole
        if is_possible and "smaller" in problem and _is_plausible(sample, spec, factor, whole):
            said = f"its numbers are taken for {name}: for × 10000 all bands are too dark"
            nodata = 0.0 if numbers.is_whole else None
            return _same(count, whole / factor, 0, said, is_guess=True, nodata=nodata, floor=0.0)
    raise UnclearError(problem)


def _is_plausible(sample: Sequence[NDArray[np.float64]], spec: Spec, factor: float, whole: float) -> bool:
    """Whether values divided by `factor` may be surface reflectance: shade is dark, glints not too bright."""
    visible = [
        values for values, band in zip(sample, spec.bands, strict=True)
        if common_name(band) in {"blue", "green", "red"}
    ]  # fmt: skip
    return (
        all(np.percentile(values, DARKEST_PERCENT) / factor <= DARK_BLUE for values in visible)
        and all(np.percentile(values, 99.5) / factor <= BRIGHTEST for values in sample)
        and other_units([values * (whole / factor) for values in sample], spec) is None
    )


def _with_or_without_offset(numbers: Numbers, spec: Spec, whole: float) -> Scaling:
    """Reflectance × 10000; that there are no smaller numbers than 1000 tells Sentinel-2's offset."""
    count = len(spec.bands)
    darkest = [float(np.percentile(values, DARKEST_PERCENT)) for values in numbers.sample]
    nodata = 0.0 if numbers.is_whole else None
    if not numbers.is_whole or min(darkest) < 0.9 * BOA_OFFSET:
        said = f"its numbers are taken for reflectance × 10000, as the darkest are {min(darkest):.0f}"
        return _same(count, whole / 1e4, 0, said, is_guess=True, nodata=nodata, floor=0.0)
    if max(darkest) < BOA_OFFSET + SHADE:
        said = (
            "its numbers are taken for reflectance × 10000 + 1000, Sentinel-2's since processing baseline "
            f"04.00, as the darkest of all bands are from {min(darkest):.0f} to {max(darkest):.0f}"
        )
        return _same(count, whole / 1e4, -whole / 10, said, is_guess=True, nodata=nodata, floor=0.0)
    raise UnclearError(
        f"may be reflectance × 10000 or, as Sentinel-2 since processing baseline 04.00, 1000 more "
        f"(its darkest numbers are {', '.join(f'{value:.0f}' for value in darkest)}), which its metadata do "
        "not say; add --scale 1 or --scale 1,-1000"
    )


def measured(bands: np.ma.MaskedArray[Any, Any], *, zeros_missing: bool) -> list[NDArray[np.float64]]:
    """The values of each band that are measurements.

    Args:
        bands: ``(bands, height, width)``, missing pixels masked.
        zeros_missing: whether pixels that are 0 in all bands are none.
    """
    values = bands.filled(0).astype(np.float64)
    known = ~np.ma.getmaskarray(bands) & np.isfinite(values) & (np.abs(values) < NO_MEASUREMENT)
    if zeros_missing:
        known &= (values != 0).any(axis=0)
    return [band[mask] for band, mask in zip(values, known, strict=True)]
