"""QGIS styles of rasters: codes by their colours, shares by a ramp, scenes in true colour."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from xml.etree import ElementTree as ET

from urbanseg.classes import CONFIDENCE_SCALE, ClassTable
from urbanseg.display.qml import VERSION, qml_text
from urbanseg.display.stretch import Stretch
from urbanseg.grid import SPLITS

Entry = tuple[int, str, str]
"""Pixel value, colour ``#rrggbb`` and label."""

VIRIDIS = (
    "#440154", "#482878", "#3e4989", "#31688e", "#26828e",
    "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725",
)  # fmt: skip
"""Colours of matplotlib's viridis at even steps; it rises in lightness, for the colour-blind too."""

SPLIT_COLORS = {"train": "#8e9aaf", "val": "#f4c053", "test": "#118a7e"}

SCL: Mapping[int, tuple[str, str]] = MappingProxyType({
    1: ("#ff0000", "saturated or defective"),
    2: ("#2f2f2f", "dark area"),
    3: ("#643200", "cloud shadow"),
    4: ("#00a000", "vegetation"),
    5: ("#ffe65a", "not vegetated"),
    6: ("#0000ff", "water"),
    7: ("#808080", "unclassified"),
    8: ("#c0c0c0", "cloud, medium probability"),
    9: ("#ffffff", "cloud, high probability"),
    10: ("#64c8ff", "thin cirrus"),
    11: ("#ff96ff", "snow or ice"),
})  # fmt: skip
"""Sentinel-2's scene classification in the colours of ESA's Level-2A Algorithm Theoretical Basis Document."""


def classes_qml(classes: ClassTable) -> str:
    """Style of a class raster: its classes and nothing else."""
    return paletted_qml((each.id, each.color, each.label) for each in classes)


def scl_qml() -> str:
    """Style of a scene classification."""
    return paletted_qml((value, color, label) for value, (color, label) in SCL.items())


def splits_qml() -> str:
    """Style of a split raster."""
    return paletted_qml((value, SPLIT_COLORS[name], name) for value, name in enumerate(SPLITS))


def paletted_qml(entries: Iterable[Entry]) -> str:
    """Style of a raster of codes; values that are not listed are transparent."""
    root, renderer = _document("paletted", band="1")
    palette = ET.SubElement(renderer, "colorPalette")
    for value, color, label in entries:
        ET.SubElement(palette, "paletteEntry", value=str(value), color=color, label=label, alpha="255")
    return qml_text(root)


def sizes_qml(classes: int) -> str:
    """Style of prediction sets: by how many of so many classes a pixel may have, viridis from its end."""
    last = len(VIRIDIS) - 1
    colors = [
        VIRIDIS[last - round(last * (size - 1) / max(1, classes - 1))] for size in range(1, classes + 1)
    ]
    label = {1: "1 class: certain"}
    return paletted_qml(
        (size, color, label.get(size, f"{size} classes")) for size, color in enumerate(colors, 1)
    )


def share_qml() -> str:
    """Style of a raster of shares, 0–`CONFIDENCE_SCALE` for 0–100 %: viridis."""
    last = len(VIRIDIS) - 1
    limits = {"classificationMin": "0", "classificationMax": str(CONFIDENCE_SCALE)}
    root, renderer = _document("singlebandpseudocolor", band="1", **limits)
    shader = ET.SubElement(
        ET.SubElement(renderer, "rastershader"),
        "colorrampshader",
        colorRampType="INTERPOLATED",
        classificationMode="1",
        clip="0",
        minimumValue="0",
        maximumValue=str(CONFIDENCE_SCALE),
    )
    for step, color in enumerate(VIRIDIS):
        value, label = f"{CONFIDENCE_SCALE * step / last:g}", f"{100 * step / last:.0f} %"
        ET.SubElement(shader, "item", value=value, color=color, label=label, alpha="255")
    return qml_text(root)


def true_color_qml(bands: Sequence[int], stretch: Stretch) -> str:
    """Style of a scene.

    Args:
        bands: numbers, from 1, of the bands that are shown as red, green and blue; or of one as grey.
        stretch: of these bands.
    """
    if len(bands) == 1:
        root, renderer = _document("singlebandgray", grayBand=str(bands[0]), gradient="BlackToWhite")
        names = ["contrastEnhancement"]
    else:
        shown = dict(zip(("redBand", "greenBand", "blueBand"), map(str, bands), strict=True))
        root, renderer = _document("multibandcolor", **shown)
        names = [f"{color}ContrastEnhancement" for color in ("red", "green", "blue")]
    for name, low in zip(names, stretch.low, strict=True):
        enhancement = ET.SubElement(renderer, name)
        ET.SubElement(enhancement, "minValue").text = f"{low:.7g}"
        ET.SubElement(enhancement, "maxValue").text = f"{low + stretch.width:.7g}"
        ET.SubElement(enhancement, "algorithm").text = "StretchToMinimumMaximum"
    pipe = root.find("pipe")
    assert pipe is not None  # noqa: S101, we made it
    gamma = f"{1 / stretch.gamma:.3g}"
    ET.SubElement(pipe, "brightnesscontrast", brightness="0", contrast="0", gamma=gamma)
    return qml_text(root)


def _document(kind: str, **attributes: str) -> tuple[ET.Element, ET.Element]:
    root = ET.Element("qgis", version=VERSION, styleCategories="Symbology")
    pipe = ET.SubElement(root, "pipe")
    renderer = ET.SubElement(
        pipe,
        "rasterrenderer",
        {"type": kind, **attributes, "opacity": "1", "alphaBand": "-1", "nodataColor": ""},
    )
    ET.SubElement(renderer, "rasterTransparency")
    return root, renderer
