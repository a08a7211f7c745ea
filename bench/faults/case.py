"""What a case is, and how its outcome is told apart."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import yaml

Change = Callable[[Path, Random], None]
"""Breaks something in a copy of the project; the random numbers are the case's own."""


@dataclass(frozen=True)
class Case:
    """A broken input and the program that gets it."""

    name: str
    change: Change
    command: tuple[str, ...]
    """``("scene", "town")`` is a stage, ``("urbanseg", "map", …)`` the command line."""
    names: str = ""
    """A pattern that the sentence must hold: the file or the parameter."""
    may_work: bool = False
    """Whether to end with 0 is right, too: the damage is harmless, or is repaired with a warning."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Limits of the process by the name of `resource`: ``RLIMIT_FSIZE`` and so on."""


def outcome(case: Case, code: int | None, said: str) -> str:
    """``clear``, ``traceback``, ``wrong`` or ``hung``.

    Args:
        case: what was tried.
        code: of its exit; None if it was stopped for its time.
        said: what it printed.
    """
    if code is None:
        return "hung"
    *before, last = said.splitlines() or [""]
    if code == 0:
        return "clear" if case.may_work else "wrong"
    if code != 1 or "Traceback (most recent" in said:
        return "traceback"
    is_one = last.startswith("error: ") and not any(line.startswith("error: ") for line in before)
    return "clear" if is_one and re.search(case.names, last) else "wrong"


def replace(path: Path, content: bytes) -> None:
    """Write a file anew: it may be a link to that of the project which all cases share."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def put(key: str, value: Any) -> Change:
    """Set a parameter by its dotted key; `...` removes it."""

    def change(folder: Path, _: Random) -> None:
        path = folder / "params.yaml"
        params = yaml.safe_load(path.read_text(encoding="utf-8"))
        *parents, last = key.split(".")
        section = params
        for parent in parents:
            section = section.setdefault(parent, {})
        if value is ...:
            del section[last]
        else:
            section[last] = value
        replace(path, yaml.safe_dump(params, sort_keys=False, allow_unicode=True).encode())

    return change


def write(name: str, content: str | bytes) -> Change:
    """Replace a file."""

    def change(folder: Path, _: Random) -> None:
        replace(folder / name, content.encode() if isinstance(content, str) else content)

    return change


def truncated(name: str, share: float) -> Change:
    """Keep the first part of a file."""

    def change(folder: Path, _: Random) -> None:
        content = (folder / name).read_bytes()
        replace(folder / name, content[: int(len(content) * share)])

    return change


def flipped(name: str, count: int, first: int = 0, last: int | None = None) -> Change:
    """Change random bytes of a file between two offsets."""

    def change(folder: Path, random: Random) -> None:
        content = bytearray((folder / name).read_bytes())
        for _ in range(count):
            content[random.randrange(first, min(last or len(content), len(content)))] ^= random.randrange(
                1, 256
            )
        replace(folder / name, bytes(content))

    return change


def both(*changes: Change) -> Change:
    """Several changes, in order."""

    def change(folder: Path, random: Random) -> None:
        for each in changes:
            each(folder, random)

    return change


def damages(name: str) -> dict[str, Change]:
    """What happens to any file: it is missing, a folder, a link to itself, or something else."""

    def replaced(by: Callable[[Path], None]) -> Change:
        def change(folder: Path, _: Random) -> None:
            (folder / name).unlink()
            by(folder / name)

        return change

    return {
        "missing": replaced(lambda _: None),
        "a folder": replaced(lambda path: path.mkdir()),
        "a link to itself": replaced(lambda path: path.symlink_to(path.name)),
        "a link to nothing": replaced(lambda path: path.symlink_to("nowhere")),
        "empty": write(name, b""),
        "text": write(name, "this is something else\n"),
        "zeros": write(name, bytes(4096)),
        "an archive": write(name, b"PK\x03\x04" + bytes(200)),
        "cut to 1 %": truncated(name, 0.01),
        "cut to half": truncated(name, 0.5),
    }
