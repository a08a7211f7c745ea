"""Entries of cities in the text of params.yaml: added and removed without touching the rest of it."""

from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node

from urbanseg.errors import PipelineError

INDENT = "  "


def added(text: str, city: str, entry: dict[str, Any], name: str = "params.yaml") -> str:
    """The text of params.yaml with one more city, after the others.

    Args:
        text: of params.yaml.
        city: its key.
        entry: its parameters; a nested mapping of plain values.
        name: of the file, for messages.

    Raises:
        PipelineError: if there are no cities in lines of their own, or the city is there already.
    """
    cities = _cities(text, name)
    if city in (key.value for key, _ in cities.value):
        raise PipelineError(
            f"{name}: there is a city {city} already; choose another name, or remove it first"
        )
    lines = text.splitlines(keepends=True)
    last = _end(text, cities)
    return "".join(lines[:last]) + _ended(lines, last) + _written(city, entry) + "".join(lines[last:])


def removed(text: str, city: str, name: str = "params.yaml") -> str:
    """The text of params.yaml without a city.

    Args:
        text: of params.yaml.
        city: its key.
        name: of the file, for messages.

    Raises:
        PipelineError: if there is no such city, or it is the only one.
    """
    cities = _cities(text, name)
    keys = [key.value for key, _ in cities.value]
    if city not in keys:
        raise PipelineError(f"{name}: there is no city {city!r}; the cities are {', '.join(keys)}")
    if len(keys) == 1:
        raise PipelineError(f"{name}: {city} is the only city; add another before you remove it")
    key, value = cities.value[keys.index(city)]
    lines = text.splitlines(keepends=True)
    return "".join(lines[: key.start_mark.line] + lines[_end(text, value) :])


def _cities(text: str, name: str) -> MappingNode:
    try:
        whole = YAML(pure=True).compose(text)
    except YAMLError:
        raise PipelineError(f"{name} is not valid YAML") from None
    found = {key.value: value for key, value in whole.value} if isinstance(whole, MappingNode) else {}
    cities = found.get("cities")
    if not isinstance(cities, MappingNode) or cities.flow_style or not cities.value:
        raise PipelineError(f"{name}: cities must be a section with a line for each city")
    return cities


def _end(text: str, node: Node) -> int:
    """Number of the line after the last of a node, comments and empty lines after it left out."""
    last = node
    while isinstance(last, MappingNode) and not last.flow_style and last.value:
        last = last.value[-1][1]
    lines = text.splitlines()
    end = last.end_mark.line + (1 if last.end_mark.column else 0)
    while end > last.start_mark.line + 1 and not lines[end - 1].partition("#")[0].strip():
        end -= 1
    return int(end)


def _ended(lines: list[str], last: int) -> str:
    return "" if not last or lines[last - 1].endswith("\n") else "\n"


def _written(city: str, entry: dict[str, Any]) -> str:
    yaml = YAML()
    yaml.width, yaml.default_flow_style = 4096, None
    written = StringIO()
    yaml.dump({city: entry}, written)
    return "".join(f"{INDENT}{line}" for line in written.getvalue().splitlines(keepends=True))
