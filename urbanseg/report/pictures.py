"""Arrays as images: true colour, classes, errors, confidence, splits; and images as bytes.

Rasters of few values (classes, errors) become a `PalettedImage`: one index per pixel into
named colours, from which its PNG, its legend and the page's read-out are all made. The
bytes hold no metadata and no date, so equal arrays give equal files. No file is read here.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from urbanseg.classes import CONFIDENCE_SCALE, IGNORE, ClassTable
from urbanseg.display.stretch import stretch_of, stretched
from urbanseg.grid import SPLITS

RGBA = tuple[int, int, int, int]
Rgb = NDArray[np.uint8]
Wording = Callable[[str], str]
"""Turns a class's name into its label."""

NODATA_RGB = 245
"""Grey of scene pixels without data: neither the black of water nor the white of cloud."""
CONFIDENCE_STEPS = 50
"""Confidence is drawn in steps of 2 %: finer ones can't be seen and triple the file."""
TRANSPARENT: RGBA = (0, 0, 0, 0)
ERROR_COLORS: tuple[RGBA, ...] = (
    (222, 241, 247, 255),
    (208, 28, 139, 255),
    (176, 196, 206, 255),
    (203, 152, 183, 255),
    TRANSPARENT,
)
"""Right, wrong, both outside the test, not compared: none is the colour of a class."""
SPLIT_COLORS: tuple[RGBA, ...] = ((203, 190, 226, 255), (140, 107, 190, 255), (75, 24, 130, 255), TRANSPARENT)
"""Training, validation, test, none: violets, as no class is violet."""


@dataclass(frozen=True)
class PalettedImage:
    """An image of few colours.

    Attributes:
        index: ``(height, width)`` uint8, position in `colors` of each pixel.
        colors: RGBA of each value, 0–255.
        names: meaning of each value, for the legend.
    """

    index: NDArray[np.uint8]
    colors: tuple[RGBA, ...]
    names: tuple[str, ...]

    @property
    def rgba(self) -> NDArray[np.uint8]:
        """The picture in full: ``(height, width, 4)`` uint8."""
        return np.array(self.colors, dtype=np.uint8)[self.index]


def true_color(
    bands: NDArray[np.generic], valid: NDArray[np.bool_], ground: NDArray[np.bool_] | None = None
) -> Rgb:
    """Stretch red, green and blue (or one grey band) for display.

    Black is each band's 2nd percentile over the ground, which takes off the haze; the
    range up to the 98th is the widest of the three for all of them, which keeps a desert
    sand-coloured. Where that leaves the picture dark, as reflectance does, a gamma lifts
    its median. Brightness never falls with the value of a band.

    Args:
        bands: ``(3 or 1, height, width)``, any real dtype and unit.
        valid: ``(height, width)``, which pixels hold data; others become light grey.
        ground: ``(height, width)``, which pixels set the stretch, so that clouds need not;
            all that are valid if None or if it leaves none.

    Returns:
        ``(height, width, 3)`` uint8.
    """
    valid = valid & np.isfinite(bands.astype(np.float32)).all(axis=0)
    sample = valid if ground is None or not (valid & ground).any() else valid & ground
    picture = stretched(bands, valid, stretch_of(bands, sample))
    picture[~valid] = NODATA_RGB
    return picture


def colorize(classes: NDArray[np.uint8], table: ClassTable) -> PalettedImage:
    """Classes in their colours; ignored and unknown values are transparent.

    Args:
        classes: ``(height, width)`` uint8 of class ids and `IGNORE`.
        table: the classes.
    """
    nothing = len(table)
    lookup = np.full(256, nothing, dtype=np.uint8)
    lookup[table.ids] = np.arange(len(table))
    colors = (*((*c.rgb, 255) for c in table), TRANSPARENT)
    names = (*map(wording(table), table.names), "no data")
    return PalettedImage(lookup[classes], colors, names)


def errors(
    reference: NDArray[np.uint8], prediction: NDArray[np.uint8], split: NDArray[np.uint8]
) -> PalettedImage:
    """Where the prediction is right and wrong; what lies outside the test blocks is dimmed.

    A pixel that either raster ignores is not compared.

    Args:
        reference: ``(height, width)`` uint8 of class ids and `IGNORE`.
        prediction: likewise.
        split: ``(height, width)`` uint8, positions in `grid.SPLITS`.

    Returns:
        An image whose legend names right, wrong and uncompared pixels.
    """
    wrong = reference != prediction
    index = np.where(split == SPLITS.index("test"), 0, 2) + wrong
    index[(reference == IGNORE) | (prediction == IGNORE)] = 4
    return PalettedImage(
        index.astype(np.uint8),
        ERROR_COLORS,
        ("right", "wrong", "right, outside the test", "wrong, outside the test", "not compared"),
    )


def confidence(values: NDArray[np.uint8]) -> PalettedImage:
    """Probability of the predicted class in matplotlib's viridis, in steps of 2 %.

    Args:
        values: ``(height, width)`` uint8, 0–254 for 0–1, 255 nodata.
    """
    import matplotlib as mpl  # noqa: PLC0415, only the report needs it

    steps = np.round(np.arange(CONFIDENCE_SCALE + 1) * (CONFIDENCE_STEPS / CONFIDENCE_SCALE))
    lookup = np.append(steps, CONFIDENCE_STEPS + 1).astype(np.uint8)
    table = mpl.colormaps["viridis"](np.linspace(0, 1, CONFIDENCE_STEPS + 1), bytes=True)
    colors = (*((int(r), int(g), int(b), 255) for r, g, b, _ in table), TRANSPARENT)
    percent = [f"{round(100 * step / CONFIDENCE_STEPS)} %" for step in range(CONFIDENCE_STEPS + 1)]
    return PalettedImage(lookup[values], colors, (*percent, "no data"))


def splits(values: NDArray[np.uint8]) -> PalettedImage:
    """Which blocks trained, validated and tested the model.

    Args:
        values: ``(height, width)`` uint8, positions in `grid.SPLITS`, others none.
    """
    lookup = np.full(256, len(SPLITS), dtype=np.uint8)
    lookup[: len(SPLITS)] = np.arange(len(SPLITS))
    return PalettedImage(
        lookup[values],
        SPLIT_COLORS,
        ("training", "validation", "test", "none"),
    )


def overlay(base: Rgb, top: PalettedImage, opacity: float) -> Rgb:
    """`top` blended over `base`.

    Args:
        base: ``(height, width, 3)`` uint8.
        top: image of the same shape.
        opacity: 0–1; transparent colours stay so.

    Returns:
        ``(height, width, 3)`` uint8.
    """
    rgba = top.rgba.astype(np.float32)
    weight = rgba[..., 3:] / 255 * opacity
    return np.round(base * (1 - weight) + rgba[..., :3] * weight).astype(np.uint8)


def sheet(panels: Sequence[tuple[str, Rgb]], legend: PalettedImage, width: int = 480, gap: int = 12) -> Rgb:
    """Pictures side by side with their titles, and a legend under them.

    Args:
        panels: title and ``(height, width, 3)`` uint8 of each picture, all of one shape.
        legend: the picture whose colours are explained.
        width: pixels of each panel in the sheet.
        gap: pixels between the panels.

    Returns:
        ``(height, width, 3)`` uint8.
    """
    height = round(panels[0][1].shape[0] * width / panels[0][1].shape[1])
    head = line = 34
    whole = len(panels) * (width + gap) + gap
    font = ImageFont.load_default(16)
    places = _legend(legend, font, whole, gap)
    size = (whole, head + height + line * (1 + max((row for *_, row in places), default=0)))
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    for column, (title, pixels) in enumerate(panels):
        left = gap + column * (width + gap)
        draw.text((left, 8), title, fill="#1f2933", font=font)
        small = Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX)
        canvas.paste(small, (left, head))
    for color, name, left, row in places:
        middle = head + height + line * row + line // 2
        draw.rectangle((left, middle - 7, left + 20, middle + 7), fill=color[:3])
        draw.text((left + 27, middle), name, fill="#1f2933", font=font, anchor="lm")
    return np.asarray(canvas)


def _legend(
    legend: PalettedImage, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int, gap: int
) -> list[tuple[RGBA, str, int, int]]:
    """Colour, name, left edge and row of each entry: a row goes on below where it is full."""
    places = []
    left, row = gap, 0
    for color, name in zip(legend.colors, legend.names, strict=True):
        if color[3]:
            length = 27 + round(font.getlength(name))
            if left > gap and left + length > width:
                left, row = gap, row + 1
            places.append((color, name, left, row))
            left += length + 22
    return places


def png(picture: PalettedImage | Rgb) -> bytes:
    """The picture as PNG, without metadata: a palette PNG, or 24 bit."""
    if isinstance(picture, PalettedImage):
        image = Image.fromarray(picture.index)
        image.putpalette([value for color in picture.colors for value in color[:3]])
        alpha = bytes(color[3] for color in picture.colors)
        return _encode(image, "PNG", optimize=True, transparency=alpha)
    return _encode(Image.fromarray(picture), "PNG")


def webp(picture: Rgb, quality: int = 85) -> bytes:
    """The picture as WebP: a tenth of the PNG, for the page."""
    return _encode(Image.fromarray(picture), "WEBP", quality=quality, method=4)


def humanize(name: str) -> str:
    """An identifier as words: ``bare_soil`` → ``bare soil``."""
    return name.replace("_", " ")


def wording(table: ClassTable) -> Wording:
    """The function that turns a class's name into its title, or else into words."""
    return lambda name: table.titles.get(name, humanize(name))


def _encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
