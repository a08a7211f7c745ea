"""Corrections as the top layer of a city's labels, in the text of params.yaml."""

from ruamel.yaml.nodes import MappingNode, Node

from urbanseg.config import yaml_text
from urbanseg.errors import PipelineError

LAYER = "corrections"


def corrected(text: str, city: str, name: str = "params.yaml") -> str:
    """The text of params.yaml with corrections above the labels of a city; all else keeps its characters.

    Args:
        text: of params.yaml.
        city: a city of it.
        name: of the file, for messages.

    Raises:
        PipelineError: if there is no such city, or its labels cannot have layers.
    """
    value = _labels(text, city, name)
    known = {key.value: part for key, part in value.value}
    if "layers" in known:
        if LAYER in {entry.value for entry in known["layers"].value}:
            return text
        raise PipelineError(
            f"{name}: cities.{city}.labels has layers already; put corrections before them, and "
            "corrections: {source: corrections} into sources"
        )
    kind = known["source"].value if "source" in known else None
    if kind not in {"osm", "raster", "vector"}:
        raise PipelineError(f"{name}: labels of {city} are {kind or 'none'}, on which no corrections can lie")
    start, end = value.start_mark, value.end_mark
    line = text.rfind("\n", 0, start.index) + 1
    key_indent = start.column if not value.flow_style else _key_column(text, city, name)
    outer = " " * (key_indent if value.flow_style else key_indent - 2)
    head = (
        f"{outer}  layers: [{LAYER}, {kind}]   # the first that labels a pixel counts\n"
        f"{outer}  sources:\n{outer}    {LAYER}: {{source: {LAYER}}}\n"
    )
    if value.flow_style:
        return f"{text[: start.index].rstrip(' ')}\n{head}{outer}    {kind}: {text[start.index :]}"
    block = text[line : end.index]
    moved = "".join(f"    {part}" if part.strip() else part for part in block.splitlines(keepends=True))
    return f"{text[:line]}{head}{outer}    {kind}:\n{moved}{text[end.index :]}"


def _labels(text: str, city: str, name: str) -> MappingNode:
    """The node of a city's labels."""
    node: Node | None = yaml_text.compose(text, name)
    for key in ("cities", city, "labels"):
        found = {k.value: v for k, v in node.value} if isinstance(node, MappingNode) else {}
        if key not in found:
            raise PipelineError(f"{name}: there is no {key} of the city {city!r}; correct its entry")
        node = found[key]
    if not isinstance(node, MappingNode):
        raise PipelineError(f"{name}: labels of {city} is no section; correct it")
    return node


def _key_column(text: str, city: str, name: str) -> int:
    """The column of the key ``labels`` of a city, whose entry must be in lines of its own."""
    node: Node | None = yaml_text.compose(text, name)
    for key in ("cities", city):
        node = {k.value: v for k, v in node.value}[key]  # type: ignore[union-attr]
    if not isinstance(node, MappingNode) or node.flow_style:
        raise PipelineError(f"{name}: the entry of {city} must be in lines of its own")
    return next(int(k.start_mark.column) for k, _ in node.value if k.value == "labels")
