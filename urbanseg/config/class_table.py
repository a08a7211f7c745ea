"""The `classes` section of params.yaml, and what in the other sections follows from it.

params.yaml names the classes of the embedded cities in several sections: rules, priorities, shares,
targets. Whoever has other classes need not write these anew: there, a name of the usual table that the
user's lacks stands for the class of that kind, and is left out where there is none.
"""

from typing import Any

from pydantic import Field

from urbanseg.classes import HIGHEST_ID, KINDS, REST, Kind
from urbanseg.config.base import Model, Whole
from urbanseg.config.names import Title
from urbanseg.config.remaps import TABLES

MOST = 100
"""Classes that a table may have."""

SECTIONS = (
    ("osm", "rules"),
    ("labels", "priority"),
    ("labels", "min_share"),
    ("evaluate", "targets"),
)
"""Where params.yaml names the usual classes."""


class ClassParams(Model):
    id: Whole = Field(ge=0, le=HIGHEST_ID)
    color: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")
    title: Title | None = Field(default=None, exclude_if=lambda title: title is None)
    kind: Kind | None = Field(default=None, exclude_if=lambda kind: kind is None)


def by_id(classes: dict[str, ClassParams]) -> dict[str, ClassParams]:
    """The classes in order of their ids.

    Raises:
        ValueError: if two have the same.
    """
    names: dict[int, str] = {}
    for name, each in classes.items():
        if (other := names.setdefault(each.id, name)) != name:
            raise ValueError(f"{other} and {name} both have the id {each.id}; give one of them another")
    return {names[value]: classes[names[value]] for value in sorted(names)}


def fitted(raw: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The values of params.yaml with the usual class names replaced by those of the user's table.

    Args:
        raw: as they were read; what has another form than it should is left to the validation.

    Returns:
        The values, and a sentence for each name that is left out.
    """
    classes = raw.get("classes")
    if not isinstance(classes, dict):
        return raw, []
    stands_for = _bound(classes)
    if not stands_for:
        return raw, []
    fitting, said = {**raw}, []
    for section, key in SECTIONS:
        values = raw.get(section)
        if isinstance(values, dict) and key in values:
            fitting[section] = {**fitting[section], key: _renamed(values[key], stands_for)}
            if gone := [name for name in values[key] or () if stands_for.get(name, name) is None]:
                said.append(f"{section}.{key}: {', '.join(gone)} left out, as not one class is of that kind")
    if isinstance(cities := raw.get("cities"), dict):
        fitting["cities"] = {name: _city(city, stands_for) for name, city in cities.items()}
    return fitting, said


def _bound(classes: dict[str, Any]) -> dict[str, str | None]:
    """Usual names that the table lacks, and the only class of that kind, or None."""
    found: dict[str, str | None] = {}
    for kind in KINDS:
        if kind not in classes:
            own = [
                name for name, each in classes.items() if isinstance(each, dict) and each.get("kind") == kind
            ]
            found[kind] = own[0] if len(own) == 1 else None
    return found


def _kind(each: Any) -> Any:
    return each.get("kind") if isinstance(each, dict) else None


def _renamed(values: Any, stands_for: dict[str, str | None]) -> Any:
    """A list or a table of class names, renamed; what the user wrote of a class counts more."""
    if isinstance(values, dict):
        new = {stands_for.get(name, name): value for name, value in values.items() if name in stands_for}
        own = {name: value for name, value in values.items() if name not in stands_for}
        return {name: value for name, value in (new | own).items() if name is not None}
    if isinstance(values, list) and all(isinstance(name, str) for name in values):
        names = [stands_for.get(name, name) for name in values]
        return list(dict.fromkeys(name for name in names if name is not None))
    return values


def _city(city: Any, stands_for: dict[str, str | None]) -> Any:
    """A city whose labels name the usual classes by default, or by a table's name."""
    if not isinstance(city, dict) or not isinstance(labels := city.get("labels"), dict):
        return city
    if isinstance(layers := labels.get("sources"), dict):
        sources = {name: _source(each, stands_for) for name, each in layers.items()}
        return city | {"labels": labels | {"sources": sources}}
    return city | {"labels": _source(labels, stands_for)}


def _source(source: Any, stands_for: dict[str, str | None]) -> Any:
    if not isinstance(source, dict):
        return source
    changed = dict(source)
    if source.get("source") == "osm" and REST in stands_for:
        changed.setdefault("background", stands_for[REST] or "ignore")
    if isinstance(table := source.get("remap"), str) and table in TABLES:
        changed["remap"] = {value: stands_for.get(name) or name for value, name in TABLES[table].items()}
    return changed
