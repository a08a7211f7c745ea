"""The report as one HTML page that needs no network: images, styles and script are inline.

The page is a Jinja template with autoescape; what it shows is collected here from
plain values. It holds no date of its making, so equal inputs give equal bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

import numpy as np
from markupsafe import Markup
from pyproj import Transformer
from ruamel.yaml import YAML

from urbanseg.config.folder import FolderScene
from urbanseg.config.params import CityParams, Params
from urbanseg.grid import Grid
from urbanseg.report import curves, pictures, provenance, scores
from urbanseg.report.curves import Series
from urbanseg.report.failures import strips
from urbanseg.report.markup import data_uri, templates
from urbanseg.report.pictures import PalettedImage
from urbanseg.report.provenance import Artefact
from urbanseg.report.quality import Chart, Quality
from urbanseg.report.scores import Confusion
from urbanseg.report.vectors import STEP, VectorMap
from urbanseg.report.views import Views, side_of

AXES = {"miou": "mean IoU", "iou": "IoU"}
"""Titles of the vertical axes of curves, where they are shorter than those of the charts."""
CURVE_TITLES = {"loss": "loss", "miou": "mean IoU on the validation blocks", "iou": "IoU of each class"}
GEOGRAPHIC_POINTS = 9
"""Side of the grid of known longitudes and latitudes, between which the page interpolates."""


@dataclass(frozen=True)
class CityReport:
    """What the page shows of a city.

    Attributes:
        name: key in params.yaml.
        params: its section there.
        views: its pictures.
        metrics: the scores, as the evaluate stage writes them.
        confusion: the confusion matrix of the test area.
        quality: calibration, precision and recall, and the worst cells.
        item: the STAC Item of the scene.
        artefacts: its input and output files.
        vectors: its map as polygons and roads, if there is one.
        downloads: files of the map, with their formats.
    """

    name: str
    params: CityParams
    views: Views
    metrics: Mapping[str, Any]
    confusion: Confusion
    quality: Quality
    item: Mapping[str, Any]
    artefacts: Sequence[Artefact]
    vectors: VectorMap | None = None
    downloads: Sequence[tuple[str, Artefact]] = ()


def render(
    cities: Sequence[CityReport],
    training: Mapping[str, Any],
    training_curves: Mapping[str, Mapping[str, Series]],
    params: Params,
    together: Mapping[str, Any],
) -> str:
    """The page as HTML, for a folder of the project's root: its links start with ``../``.

    Args:
        cities: in the order of the page.
        training: summary of the training, as the train stage writes it.
        training_curves: from `curves.read_curves`.
        params: all parameters; shown folded, and the source of classes and targets.
        together: the scores of all cities together, as the overall stage writes them.

    Returns:
        The whole page; equal inputs give equal text.
    """
    environment = templates()
    environment.filters |= {"pill": pill, "score": scores.score, "grouped": scores.grouped}
    return environment.get_template("page.html").render(
        cities=[_city(city, params, side_of(len(cities))) for city in cities],
        training=training,
        together=together,
        charts=[_curve(what, series, params) for what, series in training_curves.items()],
        params=_as_yaml(params.model_dump(mode="json")),
        train=params.train,
        overall=params.evaluate.targets.get("overall"),
    )


def map_data(grid: Grid, layers: Mapping[str, PalettedImage], *, is_placed: bool = True) -> dict[str, Any]:
    """The data of the page's interactive map, beside its images.

    Args:
        grid: the pictures' grid.
        layers: the pictures that lie over the scene.
        is_placed: whether the grid says where on Earth they lie.

    Returns:
        JSON-able: size in pixels, affine transform, metres per pixel, CRS, a square
        grid of longitudes and latitudes over the image (row by row), and the
        meaning of each colour of each layer. CRS and longitudes are empty without a place.
    """
    at = np.linspace(0, 1, GEOGRAPHIC_POINTS)
    points = [grid.transform @ (col, row) for row in at * grid.height for col in at * grid.width]
    to_geographic = Transformer.from_crs(grid.crs, 4326, always_xy=True)
    return {
        "width": grid.width,
        "height": grid.height,
        "transform": list(grid.transform[:6]),
        "metresPerPixel": grid.pixel_m[1],
        "crs": crs_name(grid) if is_placed else "",
        "metric": grid.is_metric,
        "lonlat": [
            [round(degrees, 7) for degrees in to_geographic.transform(x, y)] for x, y in points if is_placed
        ],
        "colors": {
            name: [[*color[:3], text] for color, text in zip(p.colors, p.names, strict=True) if color[3]]
            for name, p in layers.items()
        },
    }


def crs_name(grid: Grid) -> str:
    """The CRS by its code, ``EPSG:32632``, or else by its name."""
    authority = grid.crs.to_authority()
    return ":".join(authority) if authority else str(grid.crs.name)


def pill(grade: str | None) -> Markup:
    """A grade as a coloured label; empty if there is none."""
    return (
        Markup('<span class="pill {}">{}</span>').format(grade, scores.GRADES[grade]) if grade else Markup()
    )


def _curve(what: str, series: Mapping[str, Series], params: Params) -> Chart:
    """A curve of the training; classes have their own colours."""
    wording = pictures.wording(params.class_table)
    colors = {wording(c.name): c.color for c in params.class_table} if what == "iou" else {}
    title = CURVE_TITLES.get(what, pictures.humanize(what))
    drawn = curves.chart(what, series, up=AXES.get(what, ""), colors=colors)
    return title, curves.keys(series, colors), drawn


def _city(city: CityReport, params: Params, max_side: int) -> dict[str, Any]:
    """The variables of a city in the template."""
    full, views = city.views.grid, city.views.shrunk(max_side)
    simulated = provenance.is_simulated(city.item)
    sheet, failures = city.quality.sheet, city.quality.failures
    places = {pictures.wording(params.class_table)(c.name): i for i, c in enumerate(params.class_table)}
    return {
        "name": city.name,
        "title": city.params.title,
        "role": city.params.role,
        "labels_from": provenance.label_origin(city.params, simulated=simulated),
        "simulated": simulated,
        "metrics": city.metrics,
        "headline": scores.headline(city.metrics),
        "classes": scores.class_rows(city.metrics, params.class_table, params.evaluate.targets),
        "confusion": city.confusion,
        "quality": city.quality,
        "failures": []
        if sheet is None
        else list(zip(failures, map(data_uri, strips(sheet, len(failures))), strict=True)),
        "shrunk": full.shape != views.grid.shape,
        "positions": [places.get(name) for name in city.confusion.names],
        "road_rows": scores.road_rows(city.metrics["roads"]) if params.class_table.of_kind("road") else [],
        "vector_rows": scores.vector_rows(city.metrics),
        "vector_basis": city.metrics.get("delivered", {}).get("basis", {}),
        "images": {name: data_uri(picture) for name, picture in views.pictures.items()},
        "layers": [*views.pictures, *(["polygons"] if city.vectors else [])],
        "first_layers": {"left": "scene", "right": "polygons" if city.vectors else "prediction"},
        "map": _map(city, views),
        "vectors": city.vectors,
        "downloads": city.downloads,
        "facts": provenance.facts(city.item),
        "artefacts": city.artefacts,
    }


def _map(city: CityReport, views: Views) -> dict[str, Any]:
    """What the script of the page draws, and the size of the scene, in whose pixels windows are given."""
    vectors = city.vectors
    rows, cols = city.quality.shape
    is_placed = not isinstance(city.params.scene, FolderScene)  # whose images lie side by side on a sheet
    return map_data(views.grid, views.layers, is_placed=is_placed) | {
        "name": city.name,
        "rows": rows,
        "cols": cols,
        "vectors": vectors and {"polygons": vectors.polygons, "roads": vectors.roads, "step": STEP},
    }


def _as_yaml(values: dict[str, Any]) -> str:
    """Values as YAML in the order given, lists of plain values on one line."""
    yaml = YAML(typ="safe", pure=True)
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.default_flow_style, yaml.width, yaml.allow_unicode = None, 100, True
    written = StringIO()
    yaml.dump(values, written)
    return written.getvalue()
