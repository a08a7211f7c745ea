"""What is drawn on the images of a folder, in files of many kinds."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin

from urbanseg.config.labels import PolygonLabels
from urbanseg.errors import PipelineError
from urbanseg.grid import Window
from urbanseg.io.image_sheet import SheetImage
from urbanseg.labels.polygon_files import drawn

WEST, NORTH, METRES = 500_000, 5_400_000, 10
NAMES = ["a", "b"]


def images(side: int = 8) -> list[SheetImage]:
    return [SheetImage(name, "train", Window(0, 40 * i, side, side), ("id",)) for i, name in enumerate(NAMES)]


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """Two images of eight pixels of 10 m, the second 80 m east of the first."""
    for i, name in enumerate(NAMES):
        profile = {"driver": "GTiff", "count": 1, "height": 8, "width": 8, "dtype": "uint8"}
        transform = from_origin(WEST + 80 * i, NORTH, METRES, METRES)
        with rasterio.open(
            tmp_path / f"{name}.tif", "w", crs="EPSG:32633", transform=transform, **profile
        ) as out:
            out.write(np.ones((1, 8, 8), np.uint8))
    return {name: tmp_path / f"{name}.tif" for name in NAMES}


def found(
    held: dict[str, Path], places: dict[str, Path], side: int = 8, **params: Any
) -> list[tuple[str, float]]:
    """Class and area (pixels of the image) of what is drawn on the images, in their order."""
    source = PolygonLabels.model_validate({"source": "polygons", "files": "{id}.x"} | params)
    made = []
    for _, grid, frame in drawn(images(side), held, source, 0.5, places):
        if frame is not None:
            areas = frame.to_crs(grid.crs).area / (grid.pixel_m[0] * grid.pixel_m[1])
            made += list(zip(frame["class"], areas.round(2).tolist(), strict=True))
    return made


def fields_of(left: float, width: float) -> gpd.GeoDataFrame:
    """A field of 40 m from the north of the images to the south, in a CRS of degrees."""
    shape = shapely.box(WEST + left, NORTH - 40, WEST + left + width, NORTH)
    return gpd.GeoDataFrame({"crop": ["rye"]}, geometry=[shape], crs="EPSG:32633").to_crs(4326)


def test_a_file_of_each_image_is_read_where_the_image_lies_and_may_be_empty(places, tmp_path):
    fields_of(20, 30).to_file(tmp_path / "a.geojson")
    (tmp_path / "b.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    files = {name: tmp_path / f"{name}.geojson" for name in NAMES}
    table = {"attribute": "crop", "classes": {"rye": "cereal"}}
    assert found(files, places, **table) == [("cereal", 12.0)]
    assert found(files, places, 16, **table) == [("cereal", 48.0)]


def test_a_file_of_all_images_gives_each_what_lies_on_it(places, tmp_path):
    fields_of(100, 20).to_file(tmp_path / "all.gpkg")
    files = {"": tmp_path / "all.gpkg"}
    assert found(files, places, files="all.gpkg", classes="cereal")[-1] == ("cereal", 8.0)


def test_what_is_drawn_in_pixels_is_scaled_to_the_image(places, tmp_path):
    shape = {"label": "rye", "points": [[0, 0], [8, 0], [8, 4], [0, 4]], "shape_type": "polygon"}
    for name in NAMES:
        content = {"imageHeight": 16, "imageWidth": 16, "shapes": [shape] if name == "a" else []}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    files = {name: tmp_path / f"{name}.json" for name in NAMES}
    assert found(files, places, format="labelme", classes={"rye": "cereal"}) == [("cereal", 8.0)]


def test_an_image_is_found_by_its_name_in_the_only_file_of_cvat(places, tmp_path):
    boxes = {"a": 'xtl="0" ytl="0" xbr="2" ybr="8"', "b": 'xtl="0" ytl="0" xbr="1" ybr="8"'}
    drawn_on = "".join(
        f'<image name="set/{name}.png" width="8" height="8"><box label="rye" {box}/></image>'
        for name, box in boxes.items()
    )
    (tmp_path / "all.xml").write_text(f"<annotations>{drawn_on}</annotations>")
    params = {"format": "cvat", "files": "all.xml", "image": "set/{id}.png", "classes": {"rye": "cereal"}}
    assert found({"": tmp_path / "all.xml"}, places, **params) == [("cereal", 16.0), ("cereal", 8.0)]


def test_a_file_that_is_missing_or_damaged_is_named_or_skipped(places, tmp_path, caplog):
    fields_of(20, 30).to_file(tmp_path / "a.geojson")
    with pytest.raises(PipelineError, match="the image b has no file of polygons"):
        found({"a": tmp_path / "a.geojson"}, places, classes="cereal")
    assert found({"a": tmp_path / "a.geojson"}, places, classes="cereal", skip_damaged=True)
    assert "the image b has no labels" in caplog.text
    (tmp_path / "b.geojson").write_text("{")
    files = {name: tmp_path / f"{name}.geojson" for name in NAMES}
    with pytest.raises(PipelineError, match=r"b\.geojson is not a vector file"):
        found(files, places, classes="cereal")
    assert len(found(files, places, classes="cereal", skip_damaged=True)) == 1


def test_images_on_which_nothing_has_a_class_are_an_error_with_what_there_is(places, tmp_path):
    fields_of(20, 30).to_file(tmp_path / "all.gpkg")
    with pytest.raises(PipelineError, match=r"nothing on any image that classes .* without one: 1 rye"):
        found(
            {"": tmp_path / "all.gpkg"},
            places,
            files="all.gpkg",
            attribute="crop",
            classes={"oat": "cereal"},
        )
