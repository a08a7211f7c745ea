"""Reading YAML within limits: of its size, its depth, and what its anchors expand to.

It is YAML 1.2, where ``yes`` is a word and no boolean: so DVC reads it, and so writes it (without
quotes) when an experiment sets a parameter. No error repeats what stands in the file, which may be
a secret.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode
from ruamel.yaml.scanner import Scanner, ScannerError

from urbanseg.errors import PipelineError

MAX_CHARACTERS = 1_000_000
"""Some thousand cities."""
MAX_DEPTH = 32
"""params.yaml has eight levels."""
MAX_NODES = 500_000
"""Values of a file whose anchors are expanded."""

OWN_WORDS = re.compile(r"""(?:[^"'\n]|(["'])(?:.{1,2}|<[a-z ]+>)\1)*""")
"""The beginning of what a YAML parser says, until it quotes more of a file than a character or a token."""

MALFORMED = (ArithmeticError, LookupError, TypeError, ValueError)
"""What the parser's constructors raise for a value of another form than its tag says."""

KINDS = defaultdict(
    lambda: "value of its tag",
    {"int": "whole number", "float": "number", "bool": "boolean", "timestamp": "date or time"},
)
"""Tags of YAML in words."""


class _Scanner(Scanner):
    """Ends at nesting on which the parser would spend seconds, and then fail."""

    def add_indent(self, column: int) -> bool:
        deeper: bool = super().add_indent(column)
        self._require_shallow()
        return deeper

    def fetch_flow_collection_start(self, TokenClass: Any, to_push: str) -> None:  # noqa: N803, its names
        super().fetch_flow_collection_start(TokenClass, to_push)
        self._require_shallow()

    def _require_shallow(self) -> None:
        if len(self.indents) + len(self.flow_context) > MAX_DEPTH:
            message = f"more than {MAX_DEPTH} levels are nested"
            raise ScannerError(None, None, message, self.reader.get_mark())


def read(text: str, name: str) -> Any:
    """The values of a YAML text: dicts, lists, texts, numbers, booleans, dates and None.

    Args:
        text: of the file.
        name: of the file, for messages.

    Raises:
        PipelineError: if it is no YAML, or exceeds a limit of this module.
    """
    yaml, root = _parser("safe"), None
    try:
        root = _composed(yaml, text)
        return None if root is None else yaml.constructor.construct_document(root)
    except YAMLError as error:
        raise _invalid(name, error) from None
    except MALFORMED:
        raise PipelineError(f"{name} is not valid YAML{_first_wrong(root)}") from None


def compose(text: str, name: str) -> Node | None:
    """The nodes of a YAML text, with their places in it; None if it has none.

    Args:
        text: of the file.
        name: of the file, for messages.

    Raises:
        PipelineError: if it is no YAML, or exceeds a limit of this module.
    """
    try:
        return _composed(_parser("rt"), text)
    except YAMLError as error:
        raise _invalid(name, error) from None
    except MALFORMED:
        raise PipelineError(f"{name} is not valid YAML") from None


def decoded(content: bytes, name: str) -> str:
    """The text of a file in UTF-8.

    Raises:
        PipelineError: if it is in another encoding.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # as in UTF-16
        raise PipelineError(f"{name} is not valid YAML: it is not in UTF-8; save it so")
    return text


def _parser(kind: str) -> YAML:
    yaml = YAML(typ=kind, pure=True)
    yaml.Scanner = _Scanner
    return yaml


def _composed(yaml: YAML, text: str) -> Node | None:
    if len(text) > MAX_CHARACTERS:
        raise MarkedYAMLError(problem=f"it has more than {MAX_CHARACTERS} characters")
    root: Node | None = yaml.compose(text)
    if root is not None:
        _measure(root, {})
    return root


def _measure(node: Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """How many values a node has when its anchors are expanded, and how many levels."""
    if id(node) not in known:
        known[id(node)] = 0, 0
        sizes, depths = zip((0, 0), *(_measure(part, known) for part in _parts(node)), strict=True)
        known[id(node)] = 1 + sum(sizes), 1 + max(depths)
    size, depth = known[id(node)]
    if not size:
        raise MarkedYAMLError(problem="an anchor holds itself", problem_mark=node.start_mark)
    if size > MAX_NODES or depth > MAX_DEPTH:
        problem = f"its anchors expand to more than {MAX_NODES} values or {MAX_DEPTH} levels"
        raise MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
    return size, depth


def _parts(node: Node) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        yield from (part for pair in node.value for part in pair)
    elif not isinstance(node, ScalarNode):
        yield from node.value


def _first_wrong(root: Node | None) -> str:
    """Where the first value is that cannot be constructed."""
    constructor = _parser("safe").constructor
    open_ = [] if root is None else [root]
    while open_:
        node = open_.pop()
        open_ += reversed(list(_parts(node)))
        try:
            if isinstance(node, ScalarNode):
                constructor.construct_document(node)
        except YAMLError:
            continue
        except MALFORMED:
            return f": a value is no {KINDS[str(node.tag).rpartition(':')[2]]}{_place(node.start_mark)}"
    return ""


def _invalid(name: str, error: YAMLError) -> PipelineError:
    """What is wrong with a YAML file and where, without what stands there."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    own = OWN_WORDS.match(problem or "")
    said = f": {own[0].strip()}" if own and own[0] else ""
    return PipelineError(f"{name} is not valid YAML{said}{_place(mark)}")


def _place(mark: Any) -> str:
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
