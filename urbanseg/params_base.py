"""What the models of all sections share: their base, and checked kinds of values."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Metres = Annotated[float, Field(ge=0)]


class Model(BaseModel):
    """Base of all sections: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def moment(value: Any) -> str:
    """A point in time as ``YYYY-MM-DDTHH:MM:SSZ``; of a date alone, its first second.

    Args:
        value: ISO text, or the date or time that YAML makes of what looks like one.

    Raises:
        ValueError: if `value` is neither, or is a time without its offset.
    """
    try:
        known = value if isinstance(value, date) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        known = None
    is_only_a_date = not isinstance(known, datetime) or (isinstance(value, str) and len(value) <= 10)
    if is_only_a_date and known is not None:
        known = datetime(known.year, known.month, known.day, tzinfo=UTC)
    if not isinstance(known, datetime) or known.tzinfo is None:
        raise ValueError("must be a date, or a date and time with its offset, such as 2023-06-14T10:26:00Z")
    return f"{known.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


Moment = Annotated[str, BeforeValidator(moment)]
"""A point in time, in UTC to the second: ``2023-06-14T10:26:00Z``."""
