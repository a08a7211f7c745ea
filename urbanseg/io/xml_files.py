"""XML from outside: parsed without entities, and up to a maximum size.

Entities can open other files and expand a small file to a large one. They need a document
type, which no format that is read here has.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.parsers import expat

from urbanseg.errors import PipelineError

MAX_BYTES = 64 << 20
"""Size of the largest file that is parsed; a VRT of 100,000 sources has less."""


@dataclass
class Element:
    """An element while it is parsed; names are in lower case, because GDAL ignores the case."""

    tag: str
    attributes: list[tuple[str, str]]
    parents: tuple[str, ...]
    text: str = ""
    is_plain: bool = True
    """Whether it holds text alone: no comment, element or CDATA, at which GDAL ends the text."""
    parts: list[str] = field(default_factory=list)

    def get(self, name: str) -> str:
        """An attribute's value; empty if it is missing."""
        return next((value for key, value in self.attributes if key == name), "")


def visit(path: Path, seen: Callable[[Element], None]) -> None:
    """Call `seen` with each element when it ends.

    Raises:
        PipelineError: if the file is too large, not XML in UTF-8, or has a document type.
    """
    stack: list[Element] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if stack:
            stack[-1].is_plain = False
        lowered = [(key.lower(), value) for key, value in attributes.items()]
        stack.append(Element(tag.lower(), lowered, tuple(each.tag for each in stack)))

    def end(_: str) -> None:
        element = stack.pop()
        element.text = "".join(element.parts)
        seen(element)

    def text(characters: str) -> None:
        stack[-1].parts.append(characters)

    def split(*_: object) -> None:
        if stack:
            stack[-1].is_plain = False

    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = text
    parser.CommentHandler = parser.ProcessingInstructionHandler = parser.StartCdataSectionHandler = split
    try:
        _parse(path, parser)
    except expat.ExpatError as error:
        raise PipelineError(
            f"{path} is not valid XML in UTF-8 ({error}), so what it opens cannot be checked; make it again"
        ) from error


def root(path: Path) -> ET.Element:
    """The root element of a file.

    Raises:
        PipelineError: if the file is too large or has a document type.
        xml.parsers.expat.ExpatError: if it is not XML in UTF-8.
    """
    builder = ET.TreeBuilder()
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.data
    _parse(path, parser)
    return builder.close()


def _parse(path: Path, parser: expat.XMLParserType) -> None:
    if path.stat().st_size > MAX_BYTES:
        raise PipelineError(f"{path} is larger than {MAX_BYTES >> 20} MB, too large for such XML; split it")

    def refuse(*_: object) -> None:
        raise PipelineError(
            f"{path} has a document type (<!DOCTYPE>), which may open other files; remove it from the file"
        )

    parser.StartDoctypeDeclHandler = refuse
    with path.open("rb") as file:
        parser.ParseFile(file)
