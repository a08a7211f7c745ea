"""Labels drawn as polygons on the images of a folder: what is drawn on each, on a grid of its own.

Vector files lie on Earth, as their images do; Labelme and CVAT draw in pixels of an image. A file may hold
what is drawn on one image or on all.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import geopandas as gpd
from affine import Affine

from urbanseg.config.labels import PolygonLabels, VectorLabels
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window
from urbanseg.io import image_sheet
from urbanseg.io.image_sheet import SheetImage
from urbanseg.labels import vector
from urbanseg.labels.mask_places import grid_of

log = logging.getLogger(__name__)

ON_EARTH = "polygons of a vector file need; give it a georeference, or draw in pixels: format labelme or cvat"
"""What needs a place, and what to do without one."""


def drawn(
    images: Iterable[SheetImage],
    files: Mapping[str, Path],
    params: PolygonLabels,
    resolution_m: float,
    places: Mapping[str, Path],
    trusted: Sequence[Path] = (),
) -> Iterator[tuple[Window, Grid, gpd.GeoDataFrame | None]]:
    """What is drawn on each image.

    Args:
        images: the images.
        files: what is drawn, by the names of the images or those of fewer fields.
        params: format, and class of each kind of shape.
        resolution_m: side of a pixel, for the widths of lines that are drawn in pixels.
        places: a file of each image, by which it lies on Earth.
        trusted: files and folders that the images may name, besides their own folders.

    Yields:
        The window of each image on the sheet, its grid, and the features of `vector.read_vector`, perhaps
        none; None in their place if the file is missing or damaged and such files are skipped.

    Raises:
        PipelineError: if a file is missing or damaged, an image does not say where it lies, or, in the end,
            nothing that is drawn has a class.
    """
    classes: Counter[str] = Counter()
    without: Counter[str] = Counter()
    for image in images:
        try:
            grid = _grid(image, params, resolution_m, places, trusted)
            frame, other = vector.read_features(_of(image, files, params), grid)
        except PipelineError as error:
            if not params.skip_damaged:
                raise
            log.warning("%s: the image %s has no labels", error, image.name)
            yield image.window, Grid(image_sheet.PLACEHOLDER_CRS, Affine.identity(), *image.window[2:]), None
            continue
        classes.update(frame["class"])
        without.update(other)
        yield image.window, grid, frame
    rest = ", ".join(f"{count} {value}" for value, count in without.most_common(8)) or "none"
    if not classes:
        raise PipelineError(
            f"{params.files} holds nothing on any image that classes gives a class; without one: {rest}"
        )
    found = ", ".join(f"{count} {name}" for name, count in classes.most_common())
    log.info("%s: %s; without a class: %s", params.files, found, rest)


def _of(image: SheetImage, files: Mapping[str, Path], params: PolygonLabels) -> VectorLabels:
    """Where what is drawn on an image is, and how it is read."""
    path = files.get(image.key(params.files))
    if path is None:
        raise PipelineError(
            f"the image {image.name} has no file of polygons; correct labels.files, or add it"
        )
    shared = params.model_dump(exclude={"source", "files", "skip_damaged", "image"})
    name = None if params.image is None else image.named(params.image)
    return VectorLabels(source="vector", path=path, image=name, **shared)


def _grid(
    image: SheetImage,
    params: PolygonLabels,
    resolution_m: float,
    places: Mapping[str, Path],
    trusted: Sequence[Path],
) -> Grid:
    if params.format == "ogr":
        return grid_of(places[image.name], image.window, trusted, ON_EARTH)
    transform = Affine(resolution_m, 0, 0, 0, -resolution_m, 0)
    return Grid(image_sheet.PLACEHOLDER_CRS, transform, image.window.height, image.window.width)
