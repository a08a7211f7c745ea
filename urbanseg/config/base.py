"""What all sections of params.yaml are built of: a strict base model, types, and shared checks.

A number has a type here (`Whole` or `Number`, of which a boolean is neither) and bounds, so that no
value keeps a stage busy for days; a list of names has no repeats. A test walks all sections for that.
Addresses hold no secret: DVC writes the parameters to dvc.lock, and the report shows them.
"""

from collections.abc import Sequence
from datetime import MAXYEAR, UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from urbanseg.redact import holds_secret

Item = TypeVar("Item")
Named = TypeVar("Named", bound=Sequence[Any])


def _no_boolean(value: Any) -> Any:
    """Python and pydantic take true for 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")  # noqa: TRY004, pydantic shows this alone
    return value


def check_unique(values: Named) -> Named:
    """Refuse a list that names something twice."""
    if repeated := next((value for i, value in enumerate(values) if value in values[:i]), None):
        raise ValueError(f"names {repeated} twice; remove one")
    return values


def _check_path(path: Any) -> Any:
    """Refuse what would be another path than what is written, or what no system call takes."""
    if isinstance(path, str) and (not path.strip() or not path.isprintable()):
        raise ValueError("must be a path of printable characters")
    return path


Whole = Annotated[int, BeforeValidator(_no_boolean)]
"""A whole number; a field adds its bounds."""
Number = Annotated[float, BeforeValidator(_no_boolean)]
"""A finite number; a field adds its bounds."""

Share = Annotated[Number, Field(ge=0, le=1)]
Percent = Annotated[Number, Field(ge=0, le=100)]
Metres = Annotated[Number, Field(ge=0, le=10_000)]
"""A distance on the ground, in metres."""
Tolerance = Annotated[Number, Field(gt=0, le=1000)]
"""A distance on the ground within which things are compared, in metres."""
Area = Annotated[Number, Field(ge=0, le=1e9)]
"""An area on the ground, in m²."""
Resolution = Annotated[Number, Field(ge=0.01, le=1000)]
"""Side of a pixel in metres."""
Seed = Annotated[Whole, Field(ge=0, lt=2**32)]
"""A seed that NumPy and torch take."""
Processes = Annotated[Whole, Field(ge=1, le=1024)]
"""Processes, threads or devices."""
Pixels = Annotated[Whole, Field(ge=0, le=65_536)]
"""A length in pixels."""
BandNumber = Annotated[Whole, Field(ge=1, le=65_535)]
"""Number of a band in a file, from 1; a GeoTIFF has no more."""
Bbox = tuple[
    Annotated[Number, Field(ge=-180, le=180)],
    Annotated[Number, Field(ge=-90, le=90)],
    Annotated[Number, Field(ge=-180, le=180)],
    Annotated[Number, Field(ge=-90, le=90)],
]
"""West, south, east and north in degrees."""

Unique = Annotated[list[Item], AfterValidator(check_unique)]
"""A list that names nothing twice."""

FilePath = Annotated[Path, BeforeValidator(_check_path)]
"""A file or folder, or the address of one."""

ENCODER_STRIDE = 32
"""Encoders halve the image five times: window sizes must be multiples of this."""

MAX_OVERLAP = 3 / 4
"""Share of a window that its neighbour may share: each pixel is read 16 times then."""


class Model(BaseModel):
    """Base of all sections: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


NOT_SHOWN = "not_shown"
"""Type of an error whose value must not be shown."""

NO_SECRET = (
    "must not hold a user name or password, a query or a fragment; secrets belong in the environment, "  # noqa: S105
    "or in the configuration of the tool that needs them"
)


def check_address(address: Any) -> Any:
    """Refuse an address with a user name, a password, a query or a fragment, without repeating it."""
    if isinstance(address, str) and (set(address) & set("@?#") or holds_secret(address)):
        raise PydanticCustomError(NOT_SHOWN, NO_SECRET)
    return address


def check_url(url: Any) -> str:
    """An address of a server, without the slash at its end."""
    try:
        TypeAdapter(AnyHttpUrl).validate_python(check_address(url), strict=True)
    except ValidationError:
        message = "must be an address that begins with https:// or http://"
        raise PydanticCustomError(NOT_SHOWN, message) from None
    return str(url).rstrip("/")


Url = Annotated[str, BeforeValidator(check_url)]
"""An address of a server, which holds no secret."""


def parse_time(value: Any) -> datetime:
    """A point in time; of a date alone, its first second in UTC.

    Args:
        value: ISO text, or the date or time that YAML makes of what looks like one.

    Returns:
        A datetime with its offset.

    Raises:
        ValueError: if `value` is neither, or is a time without its offset.
    """
    try:
        known = value if isinstance(value, date) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        known = None
    if known is not None and is_date_only(value):
        known = datetime(known.year, known.month, known.day, tzinfo=UTC)
    if not isinstance(known, datetime) or known.tzinfo is None:
        raise ValueError("must be a date, or a date and time with its offset, such as 2023-06-14T10:26:00Z")
    if not 1 < known.year < MAXYEAR:  # in UTC it may have no year
        raise ValueError("must be a time of which there are maps and images")
    return known


def is_date_only(value: Any) -> bool:
    """Whether a value that `parse_time` takes has no time of day."""
    return len(value) <= len("2023-06-14") if isinstance(value, str) else not isinstance(value, datetime)


def check_time(value: Any) -> str:
    """ISO text of a point in time with its offset: text that has a time of day as it is, else in UTC."""
    known = parse_time(value)
    return value if isinstance(value, str) and not is_date_only(value) else to_utc_text(known)


def to_utc_text(moment: datetime) -> str:
    """A point in time in UTC to the second: ``2023-06-14T10:26:00Z``."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


Time = Annotated[str, BeforeValidator(check_time)]
"""A point in time as its ISO text, with its offset."""


def check_bbox(box: Any) -> Any:
    """West, south, east, north with an area, or None."""
    if box is not None and not (box[0] < box[2] and box[1] < box[3]):
        raise ValueError("bbox must be west, south, east, north with west < east and south < north")
    return box


def check_window(size: int, overlap: int) -> None:
    """Refuse a window that an encoder can't take, or an overlap as wide as it."""
    if size % ENCODER_STRIDE:
        raise ValueError(f"size must be a multiple of {ENCODER_STRIDE}, which the encoder needs, got {size}")
    if overlap >= size:
        raise ValueError(f"overlap {overlap} must be below the size {size}")
    if overlap > size * MAX_OVERLAP:
        raise ValueError(
            f"overlap {overlap} must be {size * MAX_OVERLAP:.0f} at most, three quarters of the size {size}"
        )
