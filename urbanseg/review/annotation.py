"""Corrections to and from annotation tools: Labelme JSON and CVAT XML, with the picture they are drawn on.

The tools know polygons in pixels of a picture, without holes and without ids: a stroke with holes is cut into
parts, and a stroke is known again by its parts. `urbanseg.labels.annotation` reads the files.
"""

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image

from urbanseg.config.labels import IGNORE_NAME
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.labels.annotation import AnnotatedImage, read_cvat, read_labelme
from urbanseg.review.corrections import Record, polygons_of
from urbanseg.review.exchange import MOST_FEATURES, Change
from urbanseg.review.refusals import RefusedError

LONGEST_PX = 4096
"""Longer side of the picture, at most; the picture of a larger scene is a smaller copy."""

SAME_PX = 0.1
"""How far apart the outlines of a part may be that is the same: the tools round coordinates."""

EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of the files in an archive, so that the same corrections give the same bytes."""

Size = tuple[int, int]
Part = tuple[str, Any]
"""Class, and a polygon without holes in pixels of the picture."""


def picture_size(grid: Grid) -> Size:
    """Height and width of the picture of a scene."""
    factor = max(1.0, max(grid.shape) / LONGEST_PX)
    return max(1, round(grid.height / factor)), max(1, round(grid.width / factor))


def labelme(strokes: Sequence[Record], grid: Grid, picture: str) -> str:
    """Strokes as JSON for Labelme, the lowest first.

    Args:
        strokes: in effect.
        grid: of the scene.
        picture: name of the picture, which lies beside the file.
    """
    height, width = picture_size(grid)
    shapes: list[dict[str, Any]] = [
        {
            "label": name, "points": points, "group_id": number, "description": "", "shape_type": "polygon",
            "flags": {}, "mask": None,
        }
        for number, name, points in _rings(strokes, grid)
    ]  # fmt: skip
    content: dict[str, Any] = {
        "version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": picture, "imageData": None,
        "imageHeight": height, "imageWidth": width,
    }  # fmt: skip
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def cvat(strokes: Sequence[Record], grid: Grid, picture: str) -> str:
    """Strokes as XML for CVAT, in the format "CVAT for images 1.1", the lowest first.

    Args:
        strokes: in effect.
        grid: of the scene.
        picture: name of the picture in CVAT's task.
    """
    height, width = picture_size(grid)
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    about = {"id": "0", "name": picture, "width": str(width), "height": str(height)}
    image = ET.SubElement(root, "image", about)
    for number, name, points in _rings(strokes, grid):
        text = ";".join(f"{x:.2f},{y:.2f}" for x, y in points)
        drawn = {"label": name, "source": "manual", "occluded": "0", "points": text, "z_order": str(number)}
        ET.SubElement(image, "polygon", drawn)
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def archive(files: dict[str, bytes]) -> bytes:
    """A ZIP archive of files by name; the same files give the same bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files.items():
            target.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def png(picture: NDArray[np.uint8]) -> bytes:
    """A picture ``(height, width, 3)`` uint8 as PNG."""
    made = io.BytesIO()
    Image.fromarray(picture, "RGB").save(made, "PNG")
    return made.getvalue()


def reader_of(file: Path) -> Callable[[Path], AnnotatedImage] | None:
    """What reads a file of an annotation tool; None for other files, as those of QGIS.

    Args:
        file: that was brought back.
    """
    with file.open("rb") as opened:
        start = opened.read(1 << 20).lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<"):
        return lambda path: read_cvat(path, None) if b"<annotations" in start else _unknown()
    is_labelme = start.startswith(b"{") and b'"shapes"' in start and b'"FeatureCollection"' not in start
    return read_labelme if is_labelme else None


def _unknown() -> AnnotatedImage:
    raise RefusedError(422, "the file is no XML of CVAT; export it as CVAT for images 1.1, and unpack it")


def changes(
    file: Path,
    read: Callable[[Path], AnnotatedImage],
    strokes: Sequence[Record],
    grid: Grid,
    classes: Sequence[str],
) -> list[Change]:
    """What annotation that was edited changes of the strokes in effect.

    Strokes of which a part is gone, or has another class or shape, are undone; parts that no stroke has are
    added.

    Args:
        file: of the tool.
        read: reads it.
        strokes: in effect.
        grid: of the scene.
        classes: names of the scene's; ``ignore`` may be named besides them.

    Raises:
        RefusedError: if the file is damaged, drawn on another picture, or names another class.
    """
    try:
        image = read(file)
    except PipelineError as error:
        reason = "drawn on one image, and exported as Labelme JSON or CVAT for images 1.1"
        raise RefusedError(422, f"the file is damaged, or was not {reason}") from error
    if len(image.shapes) > MOST_FEATURES:
        raise RefusedError(413, f"the file has more than {MOST_FEATURES} shapes")
    if strange := next((n for n, _ in image.shapes if n not in {*classes, IGNORE_NAME}), None):
        raise RefusedError(422, f"the file names the class {strange[:40]!r}, which is none")
    across, down = grid.width / image.width, grid.height / image.height
    if abs(across * image.height - grid.height) > 1 + max(across, down):
        raise RefusedError(422, "the file was drawn on a picture of other proportions than the scene has")
    height, width = picture_size(grid)
    drawn = [
        (name, shapely.transform(shape, lambda xy: xy * (width / image.width, height / image.height)))
        for name, shape in image.shapes
    ]
    undone, left = _matched(drawn, strokes, grid)
    gone: list[Change] = [(name, None, None) for name in undone]
    return gone + [(None, name, polygons_of(_onto_scene(shape, grid))) for name, shape in left]


def _matched(drawn: list[Part], strokes: Sequence[Record], grid: Grid) -> tuple[list[str], list[Part]]:
    """Ids of strokes that a file lacks, and what it has besides the others."""
    tree = shapely.STRtree([shape for _, shape in drawn])
    taken: set[int] = set()
    undone = []
    for stroke in strokes:
        found: set[int] = set()
        for part in parts_of(stroke.shape, grid):
            near = tree.query(part, "dwithin", distance=SAME_PX) if drawn else ()
            same = [
                int(number)
                for number in near
                if number not in taken | found
                and drawn[number][0] == stroke.values["class"]
                and shapely.hausdorff_distance(drawn[number][1], part) < SAME_PX
            ]
            if not same:
                undone.append(stroke.values["id"])
                break
            found.add(same[0])
        else:
            taken |= found
    return undone, [each for number, each in enumerate(drawn) if number not in taken]


def _rings(strokes: Sequence[Record], grid: Grid) -> list[tuple[int, str, list[list[float]]]]:
    """Number of the stroke, class, and vertices of each part, in pixels of the picture."""
    return [
        (number, stroke.values["class"], np.round(part.exterior.coords[:-1], 2).tolist())
        for number, stroke in enumerate(strokes, start=1)
        for part in parts_of(stroke.shape, grid)
    ]


def parts_of(shape: Any, grid: Grid) -> list[Any]:
    """The polygons of a shape, without holes, in pixels of the picture.

    Args:
        shape: in the scene's CRS.
        grid: of the scene.
    """
    height, width = picture_size(grid)
    inverse = ~grid.transform
    scale = np.array([width / grid.width, height / grid.height])

    def to_pixels(places: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.column_stack(inverse @ (places[:, 0], places[:, 1])) * scale)

    found, waiting = [], list(shapely.get_parts(shapely.transform(shape, to_pixels)))
    while waiting:
        part = waiting.pop(0)
        if not part.interiors:
            found.append(part)
            continue
        left, top, right, bottom = part.bounds
        middle = part.interiors[0].centroid.x
        halves = (shapely.box(left, top, middle, bottom), shapely.box(middle, top, right, bottom))
        cut = [shapely.intersection(part, half) for half in halves]
        waiting += [p for p in shapely.get_parts(cut) if p.geom_type == "Polygon" and p.area > 0]
    return found


def _onto_scene(shape: Any, grid: Grid) -> Any:
    height, width = picture_size(grid)
    scale = np.array([grid.width / width, grid.height / height])

    def to_crs(places: NDArray[np.float64]) -> NDArray[np.float64]:
        across, down = (places * scale).T
        return np.column_stack(grid.transform @ (across, down))

    return shapely.transform(shape, to_crs)
