"""Exports of annotation tools: Labelme JSON and CVAT XML, as labelled shapes in pixels of an image.

Pixels are counted from the image's upper left corner, x to the right and y downwards:
https://github.com/wkentaro/labelme (JSON), and "CVAT for images 1.1" of
https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/ (XML).
"""

import base64
import io
import json
import math
import re
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from xml.parsers.expat import ExpatError

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image
from rasterio.features import shapes as outlines
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from urbanseg.errors import PipelineError
from urbanseg.io import xml_files

BROKEN = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, MemoryError,
    OSError, EOFError, SyntaxError, zlib.error, struct.error, ExpatError, GEOSException,
    Image.DecompressionBombError,
)  # fmt: skip
"""What parsers of JSON, XML and PNG and the geometry library raise where a file is broken."""
LARGEST_PX = 1e7
"""Largest side of an image, and the farthest from its corner that a shape may lie."""
POINT_SHAPES = ("polygon", "line", "linestrip", "point", "points", "polyline")
"""Shapes of both tools that are points in order."""

LabelledShape = tuple[str, BaseGeometry]
"""Label and shape, in pixels."""
ARC_SEGMENTS = 16
"""Segments of a quarter circle."""


@dataclass(frozen=True)
class AnnotatedImage:
    """The labelled shapes of an image, and its size in pixels."""

    height: int
    width: int
    shapes: list[LabelledShape]


def read_labelme(path: Path) -> AnnotatedImage:
    """Read a JSON file of Labelme.

    Raises:
        PipelineError: if the file is something else or damaged.
    """
    text = path.read_bytes()
    try:
        content = json.loads(text)
        size = _side(content["imageHeight"]), _side(content["imageWidth"])
        shapes = [(str(shape["label"]), _labelme_shape(shape, size)) for shape in content["shapes"]]
        return AnnotatedImage(*size, shapes)
    except BROKEN as error:
        raise _damaged(path, "a JSON file as Labelme writes it", error, "export it again") from error


def read_cvat(path: Path, name: str | None) -> AnnotatedImage:
    """Read one image of an XML file of CVAT.

    Args:
        path: the file, in the format "CVAT for images 1.1".
        name: of the image; may be None if there is only one.

    Returns:
        The shapes of the image, and its size.

    Raises:
        PipelineError: if the file is something else or damaged, or lacks the image.
    """
    try:
        root = xml_files.root(path)
        images = {image.get("name", ""): image for image in root.iter("image")}
        if name is None and len(images) == 1:
            (name,) = images
        if name is None or name not in images:
            some = ", ".join(list(images)[:5]) or "none"
            raise PipelineError(
                f"{path} has {len(images)} images ({some}), none called {name}; correct labels.image"
            )
        image = images[name]
        size = _side(image.attrib["height"]), _side(image.attrib["width"])
        shapes = [
            (shape.attrib["label"], _cvat_shape(shape, size)) for shape in image if "label" in shape.attrib
        ]
        return AnnotatedImage(*size, shapes)
    except BROKEN as error:
        how = 'export it as "CVAT for images 1.1"'
        raise _damaged(path, "an XML file as CVAT writes it", error, how) from error


def _damaged(path: Path, what: str, error: Exception, how: str) -> PipelineError:
    why = " ".join(f"{type(error).__name__}: {error}".split())
    why = re.sub(r"<\S+ object at \w+>", "the mask", why)
    return PipelineError(f"{path} is not {what} ({why[:160]}); {how}")


def _side(value: Any) -> int:
    """The height or width of an image or mask in pixels."""
    side = float(value)
    if not 1 <= side <= LARGEST_PX or side != int(side):
        raise ValueError(f"a height or width of {value} pixels")
    return int(side)


def _place(value: Any) -> float:
    """A coordinate or length in pixels, or an angle."""
    place = float(value)
    if not abs(place) <= LARGEST_PX:
        raise ValueError(f"a coordinate of {value} pixels")
    return place


def _labelme_shape(shape: dict[str, Any], size: tuple[int, int]) -> BaseGeometry:
    points = [(_place(x), _place(y)) for x, y in shape["points"]]
    kind = shape.get("shape_type") or "polygon"
    if kind == "rectangle":
        xs, ys = zip(*points, strict=True)
        return shapely.Polygon(shapely.box(min(xs), min(ys), max(xs), max(ys)))
    if kind == "circle":
        centre, edge = points
        circle: BaseGeometry = shapely.Point(centre).buffer(math.dist(centre, edge), quad_segs=ARC_SEGMENTS)
        return circle
    if kind == "mask":
        mask = Image.open(io.BytesIO(base64.b64decode(shape["mask"])), formats=["PNG"])
        if mask.height > size[0] or mask.width > size[1]:
            raise ValueError(f"a mask of {mask.width} × {mask.height} pixels, larger than the image")
        pixels = np.asarray(mask.convert("L") if len(mask.getbands()) > 1 else mask)
        return _outline(np.asarray(pixels > 0), points[0])
    return _polygon_or_line(points, kind)


def _cvat_shape(shape: ET.Element, size: tuple[int, int]) -> BaseGeometry:
    at = shape.attrib
    if shape.tag == "box":
        left, top, right, bottom = (_place(at[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
        return _rotated(shapely.box(left, top, right, bottom), at)
    if shape.tag == "ellipse":
        circle = shapely.Point(0, 0).buffer(1, quad_segs=ARC_SEGMENTS)
        x, y, across, down = (_place(at[key]) for key in ("cx", "cy", "rx", "ry"))
        return _rotated(shapely.transform(circle, lambda xy: xy * (across, down) + (x, y)), at)
    if shape.tag == "mask":
        return _outline(_run_lengths(at, size), (_place(at["left"]), _place(at["top"])))
    points = [
        (_place(x), _place(y)) for x, y in (pair.split(",") for pair in at.get("points", "").split(";"))
    ]
    return _polygon_or_line(points, shape.tag)


def _run_lengths(at: dict[str, str], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels of a mask from lengths of runs, not marked and marked in turn."""
    height, width = _side(at["height"]), _side(at["width"])
    runs = [int(length) for length in at["rle"].split(",")]
    if min(runs) < 0 or sum(runs) != height * width or height > size[0] or width > size[1]:
        raise ValueError(f"a mask of {width} × {height} pixels and runs of {sum(runs)}")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)


def _polygon_or_line(points: Sequence[tuple[float, float]], kind: str) -> BaseGeometry:
    """A polygon or line through points; a point if there are too few."""
    if kind not in POINT_SHAPES:
        raise ValueError(f"a shape of the type {kind}, which is neither an area nor a line")
    if kind == "polygon" and len(points) > 2:
        return shapely.Polygon(points)
    is_line = len(points) > 1 and kind not in ("point", "points")
    return shapely.LineString(points) if is_line else shapely.MultiPoint(points)


def _rotated(shape: BaseGeometry, attributes: dict[str, str]) -> BaseGeometry:
    """The shape rotated about its centre by its `rotation`, in degrees clockwise on the screen."""
    angle = math.radians(_place(attributes.get("rotation", 0)))
    centre = np.array([shape.bounds[0] + shape.bounds[2], shape.bounds[1] + shape.bounds[3]]) / 2
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return shapely.transform(shape, lambda xy: (xy - centre) @ turn + centre)


def _outline(pixels: NDArray[np.bool_], origin: Iterable[float]) -> BaseGeometry:
    """The outline of the marked pixels."""
    parts = [shapely.geometry.shape(part) for part, _ in outlines(pixels.astype(np.uint8), mask=pixels)]
    offset = np.array(list(origin))
    return shapely.transform(shapely.union_all(parts), lambda xy: xy + offset)
