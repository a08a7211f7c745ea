"""Image folders: which images there are, the split of each, and its window on a sheet.

A data set of many small images becomes one raster by laying them side by side, with a
gutter between them. Nothing is resampled, and no tile reaches from one image into
another; the sheet has no georeference and gets a placeholder CRS.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from itertools import accumulate
from pathlib import Path

import numpy as np
import pandas as pd
from affine import Affine
from pyproj import CRS
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader

from urbanseg.errors import PipelineError
from urbanseg.grid import SPLITS, Grid, Window
from urbanseg.io import gdal_access
from urbanseg.io.references import UnreadableError

GUTTER = 32
"""Pixels between images on the sheet."""
PLACEHOLDER_CRS = CRS.from_epsg(32631)
"""A CRS in metres for images without a georeference; the sheet's lower left corner is at its origin."""

FIELD = re.compile(r"\{(\w+)\}")


DATE = "date"
"""The field of a pattern that tells several images of one place apart."""

DAY = r"\d{4}[-_.]?\d{2}[-_.]?\d{2}"
"""How a date is written, where it can be read so: else ``{id}_{date}`` would cut 7_2016_01_13 at its end."""


@dataclass(frozen=True)
class SheetImage:
    """An image of a data set: its name, its split, its window on the sheet, and the names of its fields."""

    name: str
    split: str
    window: Window
    fields: tuple[str, ...] = ()

    def key(self, pattern: str) -> str:
        """The name of what belongs to this image by a pattern of fewer fields, as its mask does."""
        return key(self.name, self.fields, pattern)

    def named(self, pattern: str) -> str:
        """What a pattern such as ``{id}.png`` calls this image: its fields replaced by their values."""
        own = fields(pattern)
        values = dict(zip(own, self.key(pattern).split("/"), strict=True)) if own else {}
        return FIELD.sub(lambda field: values[field[1]], pattern)


def fields(pattern: str) -> tuple[str, ...]:
    """The fields of a pattern in their order, each once."""
    return tuple(dict.fromkeys(FIELD.findall(pattern)))


def key(name: str, own: Sequence[str], pattern: str) -> str:
    """The name by the fields of a pattern of an image that has these and perhaps more.

    Args:
        name: of the image: the values of its fields, joined with slashes.
        own: its fields; empty if they are those of the pattern.
        pattern: of other files.

    Raises:
        PipelineError: if the pattern has a field that the image hasn't.
    """
    values = dict(zip(own, name.split("/"), strict=False))
    foreign = [field for field in fields(pattern) if field not in values]
    if not own or (foreign and len(fields(pattern)) == len(own)):  # the same fields under other names
        return name
    if foreign:
        raise PipelineError(
            f"{pattern} has the field {{{foreign[0]}}}, but the images have {', '.join(own)}; correct it"
        )
    return "/".join(values[field] for field in fields(pattern))


def find(pattern: str) -> dict[str, Path]:
    """The files that fit a pattern, by name.

    Args:
        pattern: a path with fields, such as ``data/{area}/images/{part}.jpg``; a field
            stands for any text without a slash, and the name is the fields' values
            joined with slashes: ``tile1/part_001``.

    Returns:
        The path of each file, by name, in order of the paths.

    Raises:
        PipelineError: if no file fits.
    """
    as_day, as_any = (_expression(pattern, date) for date in (DAY, "[^/]+"))
    found = {}
    for path in sorted(glob(FIELD.sub("*", pattern))):  # noqa: PTH207, the pattern may start anywhere
        if match := as_day.fullmatch(path) or as_any.fullmatch(path):
            found["/".join(match.groupdict().values())] = Path(path)
    if not found:
        raise PipelineError(f"no file fits the pattern {pattern}; correct it, or put the data set there")
    return found


def _expression(pattern: str, date: str) -> re.Pattern[str]:
    """What the files of a pattern are called; `date` is the expression of the field of that name."""
    expression = ""
    for i, part in enumerate(FIELD.split(pattern)):
        if i % 2 == 0:
            expression += re.escape(part)
        elif f"(?P<{part}>" in expression:
            expression += f"(?P={part})"
        else:
            expression += f"(?P<{part}>{date if part == DATE else '[^/]+'})"
    return re.compile(expression)


def one_of_each(pattern: str, kept: Sequence[str]) -> dict[str, Path]:
    """The first file of each image whose name has fewer fields than the pattern, as without the date.

    Args:
        pattern: of the files.
        kept: fields of which the images are named.

    Raises:
        PipelineError: if no file fits, or a field is not in the pattern.
    """
    own, of_image = fields(pattern), "".join(f"{{{field}}}" for field in kept)
    found: dict[str, Path] = {}
    for name, path in find(pattern).items():
        found.setdefault(key(name, own, of_image), path)
    return found


def split(names: Sequence[str], lists: Mapping[str, Sequence[str] | None]) -> dict[str, str]:
    """The split of each image that has one, by the data set's own lists.

    Args:
        names: of the images.
        lists: entries of each split: names, or folders that names start with; None for
            all that no other list names; an empty list for a split that shall be empty.

    Returns:
        The split of each image that is in one, by name.

    Raises:
        PipelineError: if an entry names no image, two lists name the same, or a split
            is empty against its list.
    """
    chosen: dict[str, str] = {}
    inside: dict[str, list[str]] = defaultdict(list)
    for name in names:
        for start in accumulate(name.split("/"), "{}/{}".format):
            inside[start].append(name)
    for split_name, entries in lists.items():
        for entry in entries or []:
            fits = inside.get(entry, [])
            if not fits:
                raise PipelineError(f"the {split_name} list names {entry}, but there is no such image")
            for name in fits:
                if chosen.setdefault(name, split_name) != split_name:
                    raise PipelineError(f"{name} is in two splits, {chosen[name]} and {split_name}")
    rest = [split_name for split_name, entries in lists.items() if entries is None]
    if rest:
        chosen = {name: chosen.get(name, rest[0]) for name in names}
    wanted = {split_name for split_name, entries in lists.items() if entries != []}
    if empty := wanted - set(chosen.values()):
        raise PipelineError(f"no image is in the split {', '.join(sorted(empty))}; correct its list")
    return chosen


def lay_out(
    sizes: Mapping[str, tuple[int, int]], splits: Mapping[str, str], fields: tuple[str, ...] = ()
) -> list[SheetImage]:
    """Arrange images in rows on a sheet that is about square, in order of their names.

    Args:
        sizes: height and width of each image in pixels.
        splits: split of each image.
        fields: of which the names are made.

    Returns:
        The images with their windows.
    """
    area = sum((height + GUTTER) * (width + GUTTER) for height, width in sizes.values())
    sheet_width = max(int(area**0.5), *(width for _, width in sizes.values()))
    images = []
    row = col = row_height = 0
    for name in sorted(sizes):
        height, width = sizes[name]
        if col and col + width > sheet_width:
            row, col, row_height = row + row_height + GUTTER, 0, 0
        images.append(SheetImage(name, splits[name], Window(row, col, height, width), fields))
        col, row_height = col + width + GUTTER, max(row_height, height)
    return images


def sheet(images: Sequence[SheetImage], resolution_m: float) -> Grid:
    """The grid of the sheet of the images."""
    height = max(image.window.row + image.window.height for image in images)
    width = max(image.window.col + image.window.width for image in images)
    transform = Affine(resolution_m, 0, 0, 0, -resolution_m, height * resolution_m)
    return Grid(PLACEHOLDER_CRS, transform, height, width)


def to_table(images: Sequence[SheetImage]) -> pd.DataFrame:
    """Pictures as a table: name, split, row, col, height, width, fields."""
    rows = [{"name": p.name, "split": p.split, **p.window._asdict()} for p in images]
    return pd.DataFrame(rows).assign(fields=["/".join(image.fields) for image in images])


def from_table(table: pd.DataFrame) -> list[SheetImage]:
    """What `to_table` made a table of."""
    return [
        SheetImage(
            row["name"],
            row["split"],
            Window(*(row[side] for side in Window._fields)),
            tuple(field for field in str(row.get("fields", "")).split("/") if field),
        )
        for row in table.to_dict("records")
    ]


def split_values(images: Sequence[SheetImage]) -> list[int]:
    """The split of each image as an index into `SPLITS`."""
    return [SPLITS.index(image.split) for image in images]


@contextmanager
def opened(path: Path, trusted: Sequence[Path] = ()) -> Iterator[DatasetReader]:
    """Open an image, which needs no CRS.

    Raises:
        PipelineError: if it is missing or damaged, or names files outside its folder and `trusted`.
    """
    try:
        with gdal_access.opened(path, trusted) as dataset:
            yield dataset
    except (UnreadableError, RasterioIOError) as error:
        raise PipelineError(f"{path} is missing, damaged or no image; fetch or copy it again") from error


def colors(pixels: np.ndarray) -> np.ndarray:
    """Colours of ``(3, height, width)`` uint8 as numbers: red, green, blue from the highest byte."""
    red, green, blue = pixels[:3].astype(np.uint32)
    return np.asarray(red << 16 | green << 8 | blue)
