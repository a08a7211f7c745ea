"""Exports of annotation tools: Labelme JSON and CVAT XML, as labelled shapes in pixels of an image.

Pixels are counted from the image's upper left corner, x to the right and y downwards:
https://github.com/wkentaro/labelme (JSON), and "CVAT for images 1.1" of
https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/ (XML).
"""

import base64
import io
import json
import math
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
from shapely.geometry.base import BaseGeometry

from urbanseg.errors import PipelineError
from urbanseg.io import xml_files

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
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        shapes = [(str(shape["label"]), _labelme_shape(shape)) for shape in content["shapes"]]
        return AnnotatedImage(int(content["imageHeight"]), int(content["imageWidth"]), shapes)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PipelineError(
            f"{path} is not a JSON file as Labelme writes it ({error!r}); export it again"
        ) from error


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
        shapes = [(shape.attrib["label"], _cvat_shape(shape)) for shape in image if "label" in shape.attrib]
        return AnnotatedImage(int(image.attrib["height"]), int(image.attrib["width"]), shapes)
    except (ExpatError, KeyError, ValueError) as error:
        raise PipelineError(
            f'{path} is not an XML file as CVAT writes it ({error!r}); export it as "CVAT for images 1.1"'
        ) from error


def _labelme_shape(shape: dict[str, Any]) -> BaseGeometry:
    points = [(float(x), float(y)) for x, y in shape["points"]]
    kind = shape.get("shape_type", "polygon")
    if kind == "rectangle":
        xs, ys = zip(*points, strict=True)
        return shapely.Polygon(shapely.box(min(xs), min(ys), max(xs), max(ys)))
    if kind == "circle":
        circle: BaseGeometry = shapely.Point(points[0]).buffer(math.dist(*points), quad_segs=ARC_SEGMENTS)
        return circle
    if kind == "mask":
        mask = Image.open(io.BytesIO(base64.b64decode(shape["mask"])), formats=["PNG"])
        return _outline(np.asarray(np.asarray(mask) > 0), points[0])
    return _polygon_or_line(points, is_area=kind == "polygon")


def _cvat_shape(shape: ET.Element) -> BaseGeometry:
    at = shape.attrib
    if shape.tag == "box":
        left, top, right, bottom = (float(at[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
        return _rotated(shapely.box(left, top, right, bottom), at)
    if shape.tag == "ellipse":
        circle = shapely.Point(0, 0).buffer(1, quad_segs=ARC_SEGMENTS)
        x, y, across, down = (float(at[key]) for key in ("cx", "cy", "rx", "ry"))
        return _rotated(shapely.transform(circle, lambda xy: xy * (across, down) + (x, y)), at)
    if shape.tag == "mask":
        runs = [int(length) for length in at["rle"].split(",")]
        flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        pixels = flat.reshape(int(at["height"]), int(at["width"]))
        return _outline(pixels, (float(at["left"]), float(at["top"])))
    points = [(float(x), float(y)) for x, y in (pair.split(",") for pair in at["points"].split(";"))]
    return _polygon_or_line(points, is_area=shape.tag == "polygon")


def _polygon_or_line(points: Sequence[tuple[float, float]], *, is_area: bool) -> BaseGeometry:
    """A polygon or line through points; a point if there are too few."""
    if is_area and len(points) > 2:
        return shapely.Polygon(points)
    return shapely.LineString(points) if len(points) > 1 else shapely.MultiPoint(points)


def _rotated(shape: BaseGeometry, attributes: dict[str, str]) -> BaseGeometry:
    """The shape rotated about its centre by its `rotation`, in degrees clockwise on the screen."""
    angle = math.radians(float(attributes.get("rotation", 0)))
    centre = np.array(shape.centroid.coords[0])
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return shapely.transform(shape, lambda xy: (xy - centre) @ turn + centre)


def _outline(pixels: NDArray[np.bool_], origin: Iterable[float]) -> BaseGeometry:
    """The outline of the marked pixels."""
    parts = [shapely.geometry.shape(part) for part, _ in outlines(pixels.astype(np.uint8), mask=pixels)]
    offset = np.array(list(origin))
    return shapely.transform(shapely.union_all(parts), lambda xy: xy + offset)
