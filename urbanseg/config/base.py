"""What all sections of params.yaml are built of: a strict base model, ranges, and shared checks.

Addresses hold no secret here: DVC writes the parameters to dvc.lock, and the report shows them.
"""

from datetime import datetime
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


def check_datetime(text: str) -> str:
    """An ISO date and time with its offset, or a ValueError that says so."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("must be an ISO date and time with its offset, such as 2023-06-14T10:26:00Z")
    return text


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
