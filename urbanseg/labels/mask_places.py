"""Where the images of a folder lie on Earth, and masks that cover more or less than they do."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from affine import Affine
from pyproj import CRS
from rasterio.enums import ColorInterp, Resampling
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT

from urbanseg.errors import PipelineError
from urbanseg.grid import Grid, Window
from urbanseg.io import image_sheet
from urbanseg.labels.rasters import TOLERANCE_PX

BY_PLACE = "labels.by_place needs; give it a georeference, or set by_place to false"
"""What needs a place, and what to do without one."""


@contextmanager
def on_image(
    mask: DatasetReader, path: Path, image: Path, window: Window, trusted: Sequence[Path] = ()
) -> Iterator[WarpedVRT]:
    """A mask on the grid of its image, by the nearest pixel, with an alpha band that is 0 where it has none.

    Args:
        mask: the open mask.
        path: of the mask, for the error.
        image: a file of the image.
        window: of the image on the sheet, which may have another resolution than the file.
        trusted: files and folders that the image may name, besides its own folder.

    Yields:
        The mask in the size of the window; its last band is alpha.

    Raises:
        PipelineError: if one of the two does not say where it lies.
    """
    _require_place(mask, path, BY_PLACE)
    grid = grid_of(image, window, trusted, BY_PLACE)
    with WarpedVRT(
        mask,
        crs=grid.crs.to_wkt(),
        transform=grid.transform,
        height=grid.height,
        width=grid.width,
        resampling=Resampling.nearest,
        src_nodata=None,  # the table gives the meaning of all values
        nodata=None,
        add_alpha=ColorInterp.alpha not in mask.colorinterp,
        tolerance=TOLERANCE_PX,
    ) as warped:
        yield warped


def grid_of(image: Path, window: Window, trusted: Sequence[Path], need: str) -> Grid:
    """The grid on Earth of an image in the size of its window on the sheet.

    Args:
        image: a file of the image.
        window: of the image on the sheet, which may have another resolution than the file.
        trusted: files and folders that the image may name, besides its own folder.
        need: what asks for it and what to do without, for the error.

    Raises:
        PipelineError: if the file does not say where it lies.
    """
    with image_sheet.opened(image, trusted) as file:
        _require_place(file, image, need)
        scale = Affine.scale(file.width / window.width, file.height / window.height)
        return Grid(CRS.from_user_input(file.crs), file.transform * scale, window.height, window.width)


def _require_place(file: DatasetReader, path: Path, need: str) -> None:
    if file.crs is None or file.transform.is_identity:
        raise PipelineError(f"{path} does not say where it lies, which {need}")
