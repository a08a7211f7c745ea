"""Overlays: files that hold only what they change in params.yaml.

An overlay has the form of params.yaml. It is merged into it key by key, a list as a whole;
but the cities of an overlay, if it has any, are all the cities, and its classes, if one is new, all the
classes.
"""

import re
from collections.abc import Iterator

from ruamel.yaml.nodes import MappingNode, Node

from urbanseg.config import yaml_text
from urbanseg.errors import PipelineError

WHOLE, WHOLE_IF_NEW = "cities", "classes"

Edit = tuple[int, int, str]
"""First and last character of a text that are replaced, and by what."""


def overlaid(text: str, overlay: str, name: str = "the overlay") -> str:
    """The text of params.yaml with an overlay; what that doesn't name keeps its characters and comments.

    Args:
        text: of params.yaml.
        overlay: text of the overlay, a mapping in block style.
        name: of the overlay, for messages.

    Raises:
        PipelineError: if the overlay is no YAML, or has a key that params.yaml has not.
    """
    values, changes = yaml_text.compose(text, "params.yaml"), yaml_text.compose(overlay, name)
    if not (isinstance(values, MappingNode) and isinstance(changes, MappingNode)):
        raise PipelineError(f"{name} has no keys; it takes the form of params.yaml")
    for first, last, new in sorted(_edits(values, changes, overlay, name), reverse=True):
        text = text[:first] + new + _aligned(text[last:], len(new) - (last - first))
    return text


def _edits(
    values: MappingNode, changes: MappingNode, overlay: str, name: str, parent: str = ""
) -> Iterator[Edit]:
    known = {key.value: value for key, value in values.value}
    for key, change in changes.value:
        place = f"{parent}{key.value}"
        if key.value not in known:
            raise PipelineError(f"{name}: {place} is no parameter of params.yaml; correct its spelling")
        value = known[key.value]
        if _is_block(value) and _is_block(change) and not _is_whole(place, value, change):
            yield from _edits(value, change, overlay, name, f"{place}.")
        else:
            if _is_block(value) != _is_block(change):
                raise PipelineError(
                    f"{name}: {place} must be written in the lines and indentation of params.yaml"
                )
            end = "\n\n" if _is_block(value) else ""
            yield value.start_mark.index, value.end_mark.index, _written(change, overlay) + end


def _is_whole(place: str, value: MappingNode, change: MappingNode) -> bool:
    """Whether a section of the overlay takes the place of the one that there is."""
    known, wanted = ({key.value for key, _ in node.value} for node in (value, change))
    return place == WHOLE or (place == WHOLE_IF_NEW and not wanted <= known)


def _written(node: Node, text: str) -> str:
    """How a node is written, without the comments and empty lines after it."""
    lines = text[node.start_mark.index : node.end_mark.index].splitlines()
    while lines and re.fullmatch(r"\s*(#.*)?", lines[-1]):
        lines.pop()
    return "\n".join(lines)


def _is_block(node: Node) -> bool:
    return isinstance(node, MappingNode) and not node.flow_style


def _aligned(rest: str, longer: int) -> str:
    """What follows an edit, with the comment of its line in the column where it was, if it fits."""
    found = re.match(r"( +)#", rest)
    if not found:
        return rest
    return " " * max(1, len(found[1]) - longer) + rest[len(found[1]) :]
