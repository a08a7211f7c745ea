"""Opening an image for a model: the one entry point, and what it says of what it found.

Everything is read as it is wanted, by windows; nothing is copied, unless ground control points place the
image, for which GDAL needs a file.
"""

import logging
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine

from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window
from urbanseg.imagery.local import raster_copy
from urbanseg.infer.images import SAMPLE_PX, parse_bands
from urbanseg.io import georeference, raster
from urbanseg.io.image_sheet import PLACEHOLDER_CRS
from urbanseg.labels.cloud_masks import DILATION_M
from urbanseg.model.spec import Spec
from urbanseg.workflows.model_input import bands as band_search
from urbanseg.workflows.model_input import masks, products, resampling, units
from urbanseg.workflows.model_input.bands import BandAt
from urbanseg.workflows.model_input.image import InputReport, ModelInput
from urbanseg.workflows.model_input.layers import Converted, FileBands, Mask, PixelSource, Regridded, Stacked
from urbanseg.workflows.model_input.products import Product
from urbanseg.workflows.model_input.resampling import Resampled
from urbanseg.workflows.model_input.sources import Source
from urbanseg.workflows.model_input.units import Numbers, Scaling, UnclearError

log = logging.getLogger(__name__)


@contextmanager
def open_for_model(
    source: Source,
    spec: Spec,
    *,
    bands: str | None = None,
    scale: str | None = None,
    mask: str | None = None,
    pixel_m: float | None = None,
    force: bool = False,
    drafts: Path | None = None,
) -> Iterator[ModelInput]:
    """Open an image in the bands, units and pixel sizes of a model.

    Args:
        source: the files of the image, of `gather`.
        spec: of the model.
        bands: ``--bands``, such as ``red=1,green=2,blue=3``; None to find them.
        scale: ``--scale``, such as ``10`` or ``1,-1000``: what makes the image's numbers those of the
            model's training; None to tell them.
        mask: ``--mask``, such as ``cloud=clouds.tif``; None for one that lies beside or in the image.
        pixel_m: side of a pixel in metres of an image that does not say where it lies.
        force: warn of what would be refused: other units, far other pixel sizes.
        drafts: folder for a temporary file, of an image with ground control points; the system's if None.

    Yields:
        The image, to be read from one thread.

    Raises:
        PipelineError: in one sentence, if the model cannot map the image, and why.
    """
    given = parse_bands(bands) if bands else None
    asked = units.parse_scale(scale) if scale else None
    wanted_mask = masks.parse(mask) if mask else source.mask
    with ExitStack() as stack:
        opening = _Opening(stack, source, spec, drafts, force=force)
        opening.find(given)
        scaling = opening.scaling(asked)
        yield opening.opened(scaling, wanted_mask, pixel_m)


class _Opening:
    """The steps of `open_for_model`, and what they find."""

    def __init__(
        self, stack: ExitStack, source: Source, spec: Spec, drafts: Path | None, *, force: bool
    ) -> None:
        self.stack, self.source, self.spec, self.drafts, self.force = stack, source, spec, drafts, force
        self.path = source.files[0]
        self.images = self._readers()
        self.report = InputReport(source.name, list(map(str, source.files)))

    def find(self, given: dict[str, int] | None) -> None:
        """Find the product and the bands."""
        first = self.images[0]
        self.product = products.identify(self.path, first.info.dtypes[0])
        if self.product is not None:
            self._say(f"known by its name as {self.product.name}")
            self.report.product = self.product.name
        self.places = band_search.find(
            self.images, self.spec, codes=self.source.codes, product=self.product, named=given
        )
        self.report.bands = {
            own: f"band {place.number} of {self.source.files[place.file].name} ({place.how})"
            for own, place in zip(self.spec.bands, self.places, strict=True)
        }
        self._say(self._whereabouts())
        if self.product is not None and self.product.kind == "toa":
            self._warn("is Level-1C, top of the atmosphere; the model expects surface reflectance (Level-2A)")

    def scaling(self, asked: tuple[float, float] | None) -> Scaling:
        """How the image's numbers become the model's."""
        small = self._stacked(self.images, None).decimated(SAMPLE_PX)
        numbers = self._numbers(small, self.product)
        try:
            found = units.detect(numbers, self.spec, asked)
        except UnclearError as error:
            sentence = f"{self.path} {error}"
            if "--scale" not in sentence:
                sentence += "; say by what to multiply its numbers with --scale"
            if not self.force:
                raise PipelineError(f"{sentence}, or add --force to predict nevertheless") from None
            self._warn(f"{error}; mapped nevertheless")
            found = Scaling(
                (1.0,) * len(self.places), (0.0,) * len(self.places), "its numbers are taken as they are"
            )
        self.report.units = found.sentence
        if found.nodata is not None and any(
            self.images[place.file].info.nodatavals[place.number - 1] is None for place in self.places
        ):
            self._say(f"pixels that are {found.nodata:g} in all bands are taken for missing")
        self._say(found.sentence, is_guess=found.is_guess and not found.is_identity)
        return found

    def opened(self, scaling: Scaling, mask: tuple[str, Path] | None, pixel_m: float | None) -> ModelInput:
        """The image as the model wants it.

        Args:
            scaling: to the model's units.
            mask: kind and file, if there is one.
            pixel_m: side of a pixel of an image that is nowhere, if it is known.
        """
        base, image = self._placed(self.images, scaling.nodata)
        self.report.is_placed = georeference.is_placed(self.images[0].dataset)
        if self.report.is_placed and pixel_m is not None:
            self._warn("it says itself how large its pixels are, so --pixel-m is not used")
        elif pixel_m is not None:
            height, width = base.grid.shape
            place = Affine(pixel_m, 0, 0, 0, -pixel_m, height * pixel_m)
            base = Regridded(base, Grid(PLACEHOLDER_CRS, place, height, width))
        own, grid = base.grid, base.grid
        if self.report.is_placed or pixel_m is not None:
            grid = self._planned(image, own)
        hidden = self._mask(mask, grid, own)
        is_same = grid is own
        return ModelInput(
            self.source.name,
            self.source.files,
            grid,
            own,
            list(range(1, len(self.places) + 1)),
            self.report,
            Converted(base if is_same else Resampled(base, grid), scaling, hidden),
            None if is_same else self._placed(self._readers(), scaling.nodata)[0].valid,
        )

    def _planned(self, image: raster.Reader, own: Grid) -> Grid:
        """The grid for the model; the image's own, if that will do."""
        plan = resampling.plan(image, own, self.spec, is_placed=self.report.is_placed, force=self.force)
        if plan.warning:
            self._warn(plan.warning)
        if plan.sentence:
            self._say(plan.sentence)
        self.report.resampling = plan.sentence
        self.report.pixel_m, self.report.model_pixel_m = (
            round(math.sqrt(math.prod(grid.pixel_m)), 6) for grid in (own, plan.grid)
        )
        return plan.grid

    def _readers(self) -> list[raster.Reader]:
        return [
            self.stack.enter_context(raster.reading(path, PLACEHOLDER_CRS, gcps=True))
            for path in self.source.files
        ]

    def _numbers(self, small: np.ma.MaskedArray[Any, Any], product: Product | None) -> Numbers:
        readers = [(self.images[place.file], place.number) for place in self.places]
        dtypes = [reader.info.dtypes[number - 1] for reader, number in readers]
        whole = units.full(self.spec)
        zeros = np.dtype(dtypes[0]).kind in "ui" and whole is not None and whole[0] != "uint8"
        return Numbers(
            units.measured(small, zeros_missing=zeros),
            dtypes,
            [reader.dataset.scales[number - 1] for reader, number in readers],
            [reader.dataset.offsets[number - 1] for reader, number in readers],
            product,
            _boa_offset(self.images[0], product),
        )

    def _placed(
        self, images: Sequence[raster.Reader], nodata: float | None
    ) -> tuple[PixelSource, raster.Reader]:
        """The bands, warped by ground control points if these place them, and the finest of their files."""
        if georeference.is_placed_by_gcps(images[0].dataset):
            folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(dir=self.drafts)))
            numbers = [place.number for place in self.places]
            warped = raster_copy.placed(images[0], numbers, folder / "warped.tif")
            image, found = self.stack.enter_context(warped)
            return FileBands([(image, number) for number in found], nodata), image
        finest = min((images[place.file] for place in self.places), key=lambda image: image.grid.resolution)
        return self._stacked(images, nodata), finest

    def _stacked(self, images: Sequence[raster.Reader], nodata: float | None) -> PixelSource:
        """The bands on the finest of their grids."""
        groups: list[tuple[Grid, list[BandAt]]] = []
        for place in self.places:
            grid = images[place.file].grid
            same = next((group for known, group in groups if known.same_as(grid)), None)
            if same is None:
                groups.append((grid, same := []))
            same.append(place)
        groups.sort(key=lambda group: group[0].resolution)
        finest = groups[0][0]
        parts: list[PixelSource] = []
        for grid, group in groups:
            part = FileBands([(images[place.file], place.number) for place in group], nodata)
            parts.append(part if grid is finest else Resampled(part, finest))
        order = [
            next((part, group.index(place)) for part, (_, group) in enumerate(groups) if place in group)
            for place in self.places
        ]
        return parts[0] if len(parts) == 1 else Stacked(parts, order)

    def _mask(self, mask: tuple[str, Path] | None, grid: Grid, own: Grid) -> Callable[[Window], Mask] | None:
        if mask is None:
            number = band_search.band_named(self.images[0], "scl")
            if number is None:
                return None
            mask, where = ("scl", self.path), f"its band {number}"
        else:
            number, where = 1, str(mask[1])
        self.report.mask = f"pixels that {where} ({mask[0]}) marks as clouds, shadows or missing are left out"
        self._say(self.report.mask)
        pixel = max(grid.pixel_m) if self.report.pixel_m else resampling.resolution(self.spec)
        growth = 0.0 if pixel is None else DILATION_M / pixel
        return self.stack.enter_context(masks.opened(*mask, self.path, grid, own, growth, number))

    def _whereabouts(self) -> str:
        """Where the bands were found, in a sentence."""
        names = [
            f"{own} = {self.source.files[place.file].name if self.source.codes else f'band {place.number}'}"
            for own, place in zip(self.spec.bands, self.places, strict=True)
        ]
        return f"{', '.join(names)} ({', '.join(dict.fromkeys(place.how for place in self.places))})"

    def _say(self, sentence: str, *, is_guess: bool = False) -> None:
        if is_guess:
            self._warn(f"{sentence}; if that is wrong, say it with --scale")
        else:
            log.info("%s: %s", self.path, sentence)

    def _warn(self, sentence: str) -> None:
        plain = sentence.removeprefix(f"{self.path}: ").removeprefix(f"{self.path} ")
        self.report.warnings.append(plain)
        log.warning("%s: %s", self.path, plain)


def _boa_offset(image: raster.Reader, product: Product | None) -> float | None:
    """What the processing baseline of a Sentinel-2 image adds, by its metadata, else by its path."""
    items = {key.lower(): value for key, value in image.dataset.tags().items()}
    for key, value in items.items():
        if key.startswith(("boa_add_offset", "radio_add_offset")):
            return float(value) / 1e4
    for text in (items.get("processing_baseline"), items.get("product_uri")):
        if text and (found := products.baseline_offset(text)) is not None:
            return found
    return products.baseline_offset(str(image.path.absolute())) if product is not None else None
