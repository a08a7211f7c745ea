"""Parameters of folders of images: data sets as they are published, one sheet of images each.

`cities.<city>.scene` with the provider ``folder``, and `cities.<city>.labels` with the source ``masks`` or
``polygons`` (`urbanseg.config.labels`) describe one data set together.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from urbanseg.config.base import (
    BandNumber,
    FilePath,
    Model,
    Number,
    Pixels,
    Resolution,
    Seed,
    Share,
    Unique,
    Whole,
)
from urbanseg.config.labels import SPDX
from urbanseg.config.names import BandName, Title
from urbanseg.config.remaps import PixelValue

Pattern = Annotated[str, Field(pattern=r"\{\w+\}")]
"""A path with fields, such as ``data/{area}/{part}.tif``."""
MOST_BANDS = 256
Rows = Annotated[Whole, Field(ge=0, le=10_000_000)]


class BandFile(Model):
    """A band of files of their own: their pattern, with the fields of `images` or fewer, and its number.

    With `nearest_date` the files have dates of their own, as another sensor's, and the nearest is taken.
    """

    images: Pattern
    band: BandNumber = 1
    nearest_date: bool = False


class OfTheRest(Model):
    """A share of the training images, drawn by a seed, where a data set has no list for validation."""

    share: Annotated[Number, Field(gt=0, lt=1)]
    seed: Seed


class SplitLists(Model):
    """The split of a data set: names of images or of their folders, or a file with one per line.

    Without `train`, all images that `val` and `test` don't name are for training. An empty
    list is an empty split, as a holdout city has for `train` and `val`. `val` may be drawn from the
    training images.
    """

    train: Unique[str] | FilePath | None = None
    val: Unique[str] | FilePath | OfTheRest
    test: Unique[str] | FilePath


class SplitRows(Model):
    """How many rows of a table are of each split, in their order."""

    train: Rows
    val: Rows
    test: Rows


class SplitTable(Model):
    """The split of a data set by a CSV file, whose column `image` names images or their folders.

    Either the column `split` says of which split each is, by the words `train`, `val` and `test`, or
    `rows` cuts the table.
    """

    table: FilePath
    image: str = Field(min_length=1)
    split: str | None = None
    train: Unique[str] = Field(["train"])
    val: Unique[str] = Field(["val"])
    test: Unique[str] = Field(["test"])
    rows: SplitRows | None = None

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if (self.split is None) == (self.rows is None):
            raise ValueError("give either split, the column that says it, or rows, how many are of each")
        return self


class SplitDraw(Model):
    """A split by chance: groups of images, by the value of a field, go whole to one split.

    Without `group` each image is one; its dates stay together.
    """

    train: Share
    val: Share
    test: Share
    seed: Seed
    group: str | None = None

    @model_validator(mode="after")
    def _sum(self) -> Self:
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            raise ValueError("train, val and test must add up to 1")
        return self


class Clouds(Model):
    """What is cloud in an image: the values of another file, of the fields of `images` or fewer.

    Dates of which a larger share than `max_share` is cloud are left out.
    """

    images: Pattern
    values: Unique[PixelValue] = Field(min_length=1)
    max_share: Share = 1.0


class FolderScene(Model):
    """A data set of image files, arranged on one sheet, which is the scene.

    `images` is a pattern such as ``data/{area}/images/{part}.jpg``; an image is named by
    its fields, joined with ``/``. The field `{band}` stands for the text that `bands` has for each band,
    and `{date}` for a date. The sheet has no georeference.
    """

    provider: Literal["folder"]
    images: Pattern
    bands: dict[BandName, BandNumber | BandFile | str] = Field(min_length=1, max_length=MOST_BANDS)
    dates: Literal["each", "stack", "median"] | None = None
    clouds: Clouds | None = None
    resolution_m: Resolution
    resample_px: Annotated[Pixels, Field(ge=8)] | None = None
    splits: SplitLists | SplitTable | SplitDraw
    skip: Unique[Literal["damaged", "duplicates"]] = Field(default_factory=list)
    license: str = Field("other", pattern=SPDX, exclude_if=lambda name: name == "other")
    attribution: Title | None = Field(default=None, exclude_if=lambda name: name is None)

    @model_validator(mode="after")
    def _patterns(self) -> Self:
        by_text = [name for name, band in self.bands.items() if isinstance(band, str)]
        if by_text and "{band}" not in self.images:
            raise ValueError(
                f"bands.{by_text[0]} is text, which stands for {{band}}, but images has no {{band}}"
            )
        if "{band}" in self.images and len(by_text) + self._own() < len(self.bands):
            raise ValueError("images has {band}, so each of bands must be the text that stands for it")
        if self.dates is not None and "{date}" not in self.images:
            raise ValueError("dates says what becomes of several dates, but images has no {date}")
        for name, band in self.bands.items():
            if isinstance(band, BandFile) and band.nearest_date and not self._both_have_dates(band):
                raise ValueError(f"bands.{name}.nearest_date needs a {{date}} in its images and in images")
        return self

    def _both_have_dates(self, band: BandFile) -> bool:
        return "{date}" in self.images and "{date}" in band.images

    def _own(self) -> int:
        return sum(isinstance(band, BandFile) for band in self.bands.values())

    @property
    def files(self) -> dict[str, tuple[str, int]]:
        """The pattern of the files of each band, and its number in them."""
        found = {}
        for name, band in self.bands.items():
            if isinstance(band, BandFile):
                found[name] = band.images, band.band
            elif isinstance(band, str):
                found[name] = self.images.replace("{band}", band), 1
            else:
                found[name] = self.images, band
        return found

    @property
    def of_nearest_date(self) -> set[str]:
        """The patterns of files whose dates are others than those of the images."""
        bands = [band for band in self.bands.values() if isinstance(band, BandFile)]
        return {band.images for band in bands if band.nearest_date}
