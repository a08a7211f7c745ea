"""Entries of cities in the text of params.yaml: added and removed without touching the rest of it."""

from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from urbanseg.config import yaml_text
from urbanseg.errors import PipelineError


def added(text: str, city: str, entry: dict[str, Any], name: str = "params.yaml") -> str:
    """The text of params.yaml with one more city after the others, indented as they are.

    Args:
        text: of params.yaml.
        city: its key.
        entry: its parameters; a nested mapping of plain values.
        name: of the file, for messages.

    Raises:
        PipelineError: if there are no cities in lines of their own, or the city is there already.
    """
    require_new(text, city, name)
    cities = _cities(text, name)
    lines, last = text.splitlines(keepends=True), _end(text, *cities.value[-1])
    before = "".join(lines[:last])
    line_end = "\r\n" if lines[0].endswith("\r\n") else "\n"
    if not before.endswith(("\n", "\r")):
        before += line_end
    indent = " " * cities.value[-1][0].start_mark.column
    written = "".join(f"{indent}{line}{line_end}" for line in _written(city, entry).splitlines())
    return before + written + "".join(lines[last:])


def require_new(text: str, city: str, name: str = "params.yaml") -> None:
    """Check that params.yaml has no city of a name.

    Args:
        text: of params.yaml.
        city: the name.
        name: of the file, for messages.

    Raises:
        PipelineError: if it has, or there are no cities in lines of their own.
    """
    if city in (key.value for key, _ in _cities(text, name).value):
        raise PipelineError(
            f"{name}: there is a city {city} already; choose another name, or remove it first"
        )


def removed(text: str, city: str, name: str = "params.yaml") -> str:
    """The text of params.yaml without a city, and without the comments inside its entry.

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
    return "".join(lines[: key.start_mark.line] + lines[_end(text, key, value) :])


def _cities(text: str, name: str) -> MappingNode:
    whole = yaml_text.compose(text, name)
    found = {key.value: value for key, value in whole.value} if isinstance(whole, MappingNode) else {}
    cities = found.get("cities")
    if not isinstance(cities, MappingNode) or cities.flow_style or not cities.value:
        raise PipelineError(f"{name}: cities must be a section with a line for each city")
    return cities


def _end(text: str, key: Node, value: Node) -> int:
    """Number of the line after an entry: comments indented further than its key belong to it."""
    last = value
    while isinstance(last, MappingNode | SequenceNode) and not last.flow_style and last.value:
        last = last.value[-1][1] if isinstance(last, MappingNode) else last.value[-1]
    lines = text.splitlines()
    end = last.end_mark.line + (1 if last.end_mark.column else 0)
    is_literal = isinstance(last, ScalarNode) and last.style in {"|", ">"}
    while end > last.start_mark.line + 1 and _is_empty(lines[end - 1], comments=not is_literal):
        end -= 1
    for number in range(end, len(lines)):
        comment = lines[number].lstrip(" ")
        if comment and (comment[0] != "#" or len(lines[number]) - len(comment) <= key.start_mark.column):
            break
        if comment:
            end = number + 1
    return int(end)


def _is_empty(line: str, *, comments: bool = True) -> bool:
    return not (line.partition("#")[0] if comments else line).strip()


def _written(city: str, entry: dict[str, Any]) -> str:
    yaml = YAML()
    yaml.width, yaml.default_flow_style = 4096, None
    written = StringIO()
    yaml.dump({city: entry}, written)
    return written.getvalue()
