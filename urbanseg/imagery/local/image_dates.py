"""Dates of images: which file of another sensor belongs to a date, and which dates are too cloudy."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

from urbanseg.errors import PipelineError
from urbanseg.io import image_sheet


class NearestDate:
    """The files of a pattern with dates of their own.

    Args:
        pattern: with ``{date}``.
        files: that fit it, by their names.

    Raises:
        PipelineError: if the date of a file is none.
    """

    def __init__(self, pattern: str, files: Mapping[str, Path]) -> None:
        self.pattern = pattern
        own = image_sheet.fields(pattern)
        self._place = "".join(f"{{{field}}}" for field in own if field != image_sheet.DATE)
        self._days: dict[str, list[tuple[date, Path]]] = defaultdict(list)
        for name, path in files.items():
            self._days[self._key(name, own)].append((day_of(name, own, pattern), path))

    def of(self, name: str, own: Sequence[str], base: str) -> Path | None:
        """The file of the day nearest to that of an image, the earlier of two; None if its place has none.

        Args:
            name: of the image: the values of its fields, joined with slashes.
            own: its fields.
            base: their pattern, for the error.
        """
        day = day_of(name, own, base)
        days = self._days.get(self._key(name, own), [])
        return min(days, key=lambda each: (abs(each[0] - day), each[0]), default=(day, None))[1]

    def _key(self, name: str, own: Sequence[str]) -> str:
        return image_sheet.key(name, own, self._place) if self._place else ""


def day_of(name: str, own: Iterable[str], pattern: str) -> date:
    """The day of an image by its field `date`, such as ``20160113`` or ``2016_01_13``.

    Args:
        name: the values of its fields, joined with slashes.
        own: the fields.
        pattern: of its files, for the error.

    Raises:
        PipelineError: if it is none.
    """
    text = dict(zip(own, name.split("/"), strict=True))[image_sheet.DATE]
    try:
        return date.fromisoformat(re.sub(r"\D", "", text))
    except ValueError:
        raise PipelineError(
            f"{pattern}: {text} is no date such as 20160113 or 2016_01_13, which nearest_date needs; "
            "correct the pattern"
        ) from None
