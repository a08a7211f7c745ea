"""What is said of wrong parameters: which is wrong and how, and no value that may hold a secret."""

import re
from datetime import date
from typing import Any

from pydantic import ValidationError

from urbanseg.config.base import NOT_SHOWN
from urbanseg.redact import HIDDEN, holds_secret

SHOWN = 100
"""Characters of a wrong value that are repeated."""


def place_of_secret(value: Any, key: str = "") -> str | None:
    """The key of the first text that holds a secret, in any section; None if there is none."""
    if isinstance(value, str | bytes):
        text = value if isinstance(value, str) else value.decode(errors="replace")
        return key if holds_secret(text) else None
    if isinstance(value, dict):
        parts = [(part, _joined(key, name)) for name, inner in value.items() for part in (name, inner)]
    elif isinstance(value, list | tuple | set):
        parts = [(part, key) for part in value]
    else:
        return None
    return next((found for part, name in parts if (found := place_of_secret(part, name))), None)


def _joined(key: str, name: object) -> str:
    part = str(name) if _is_shown(name) else HIDDEN
    return f"{key}.{part}" if key else part


def _is_shown(value: object) -> bool:
    """Whether an error may repeat a value: a number or a date, or a text that is no address."""
    if isinstance(value, str):
        return not re.search(r"[@?=&]|//", value)
    return isinstance(value, bool | int | float | date | None)


def first_wrong(error: ValidationError, raw: Any) -> str:
    """The first error as ``key: what is wrong``, and how many more there are."""
    errors = [(_known(each, raw), each) for each in error.errors()]
    found, first = errors[0]
    is_key = first["loc"][-1:] == ("[key]",)
    if not is_key:
        # Of the members of a union, the one that understood most of the value says what is wrong with it.
        related = [each for each in errors if each[0][: len(found)] == found]
        found, first = max(related, key=lambda each: (len(each[0]), each[1]["type"] == "value_error"))
    names_key = is_key and first["type"] == "value_error"  # of `names`: says which
    parts = [str(part) if _is_shown(part) else HIDDEN for part in (found[:-1] if names_key else found)]
    key = ".".join(part if part.isprintable() else repr(part) for part in parts) or "the file"
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if first["type"] == "missing":
        message = "is missing; add it"
    elif first["type"] == "extra_forbidden":
        message = "is not a parameter; remove it or correct its spelling"
    elif not _is_shown(tag := first.get("ctx", {}).get("tag")):
        message = message.replace(str(tag), HIDDEN)
    elif first["type"] != NOT_SHOWN and _is_shown(first["input"]) and not names_key:
        message += f", got {_short(first['input'])}"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{key}: {message}{more}"


def _known(error: Any, raw: Any) -> list[int | str]:
    """The keys of an error's place that the file has, or lacks; not names of types, which are in it, too."""
    known: list[int | str] = []
    for part in error["loc"]:
        held = dict(enumerate(raw)) if isinstance(raw, list) else raw if isinstance(raw, dict) else {}
        if (key := next((key for key in held if str(key) == str(part)), None)) is not None:
            known.append(part)
            raw = held[key]
    return [*known, error["loc"][-1]] if error["type"] == "missing" else known


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
