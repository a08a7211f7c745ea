"""What all sections of params.yaml are built of: a strict base model, ranges, and shared checks."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Metres = Annotated[float, Field(ge=0)]

ENCODER_STRIDE = 32
"""Encoders halve the image five times: window sizes must be multiples of this."""


class Model(BaseModel):
    """Base of all sections: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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
