"""What all sections of params.yaml are built of: a strict base model, ranges, and shared checks.

Addresses hold no secret here: DVC writes the parameters to dvc.lock, and the report shows them.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import AnyHttpUrl, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from urbanseg.redact import holds_secret

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Metres = Annotated[float, Field(ge=0)]

ENCODER_STRIDE = 32
"""Encoders halve the image five times: window sizes must be multiples of this."""


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
