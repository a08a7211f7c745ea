"""Where labels of training blocks were moved, drawn as arrows over the scene."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from urbanseg.grid import Window
from urbanseg.report.pictures import Rgb

ARROW = "#ffd400"
DARK = "#1f2933"
STILL_PX = 0.5
"""Labels that were to be moved by less stay where they are; their block gets a dot."""


def draw(
    picture: Rgb,
    blocks: Mapping[int, Window],
    offsets: Mapping[int, NDArray[np.float64]],
    scale: float,
    max_px: int,
) -> Rgb:
    """Arrows from the middle of each block, in the direction in which its labels were moved.

    An arrow of `max_px` along an axis reaches the side of its block.

    Args:
        picture: the scene, ``(height, width, 3)`` uint8.
        blocks: the training blocks by their number, in pixels of the scene.
        offsets: rows and columns in pixels by which the labels of each are to be moved.
        scale: pixels of the picture for each of the scene.
        max_px: largest shift.

    Returns:
        ``(height, width, 3)`` uint8.
    """
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    for number, block in blocks.items():
        left, top = block.col * scale, block.row * scale
        right, bottom = (block.col + block.width) * scale, (block.row + block.height) * scale
        pen.rectangle((left, top, right - 1, bottom - 1), outline=DARK)
        start = np.array([(top + bottom) / 2, (left + right) / 2])
        offset = offsets[number]
        if np.abs(offset).max() < STILL_PX:
            _dot(pen, start)
            continue
        reach = min(block.height, block.width) * scale / 2 / max_px
        for color, width in ((DARK, 7), (ARROW, 3)):
            _arrow(pen, start, start + offset * reach, color, width)
    return np.asarray(image)


def _dot(pen: ImageDraw.ImageDraw, place: NDArray[np.float64]) -> None:
    row, col = place
    pen.ellipse((col - 4, row - 4, col + 4, row + 4), fill=ARROW, outline=DARK)


def _arrow(
    pen: ImageDraw.ImageDraw, start: NDArray[np.float64], end: NDArray[np.float64], color: str, width: int
) -> None:
    along = end - start
    along = along / max(float(np.hypot(*along)), 1e-9)
    across = along[::-1] * (1, -1)
    barbs = [end - 11 * along + side * 6 * across for side in (-1, 1)]
    for tail in (start, *barbs):
        pen.line([(float(p[1]), float(p[0])) for p in (tail, end)], fill=color, width=width)
