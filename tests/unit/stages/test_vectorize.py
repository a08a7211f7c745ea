import logging
import shutil

import numpy as np
import pyogrio
import pytest
import rasterio
from affine import Affine
from pyproj import CRS

from stages.vectorize import main
from tests.conftest import NO_REAL_DATA, ROOT
from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.config.overlay import overlaid
from urbanseg.grid import Grid
from urbanseg.io import cog, raster

REAL = ROOT.parent / "shared/data/dubai_scene_small/labels.tif"
UTM = Grid(CRS.from_epsg(32632), Affine(10, 0, 500_000, 0, -10, 5_400_000), 60, 80)
DEGREES = Grid(CRS.from_epsg(4326), Affine(1e-4, 0, 9, 0, -1e-4, 48), 60, 80)


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["vectorize", "demo"])


def predict(classes, grid=UTM, city="demo"):
    confidence = np.where(classes == IGNORE, IGNORE, 127).astype(np.uint8)
    for path, values in ((paths.prediction(city), classes), (paths.confidence(city), confidence)):
        with cog.writing(path, grid, dtype="uint8", nodata=IGNORE) as file:
            file.write(values)


def test_a_prediction_becomes_a_map_and_a_line_of_figures(caplog):
    classes = np.full(UTM.shape, 3, dtype=np.uint8)
    classes[30:32] = 2
    classes[:, 70:] = IGNORE
    predict(classes)
    with caplog.at_level(logging.INFO):
        main()
    assert "3 polygons" in caplog.text
    assert "road 0.014, vegetation 0.406" in caplog.text
    land = pyogrio.read_dataframe(paths.geopackage("demo"), layer="land_cover")
    roads = pyogrio.read_dataframe(paths.geopackage("demo"), layer="road_edges")
    assert land["class_name"].tolist() == ["vegetation", "road", "vegetation"]
    assert land["confidence"].tolist() == [0.5] * 3
    assert roads["length_m"].sum() == pytest.approx(700, abs=30)


def test_nothing_to_map_is_one_sentence():
    predict(np.full(UTM.shape, IGNORE, dtype=np.uint8))
    with pytest.raises(SystemExit, match=r"classes\.tif holds no class: nothing to map"):
        main()
    assert not paths.map_dir("demo").exists()


def test_a_prediction_in_degrees_is_one_sentence():
    predict(np.zeros(DEGREES.shape, dtype=np.uint8), DEGREES)
    with pytest.raises(SystemExit, match="not in metres"):
        main()


def test_web_mercator_away_from_the_equator_is_one_sentence():
    grid = Grid(CRS.from_epsg(3857), Affine(10, 0, 1_000_000, 0, -10, 8_400_000), 60, 80)
    predict(np.zeros(grid.shape, dtype=np.uint8), grid)
    with pytest.raises(SystemExit, match=r"not in metres on the ground \(WGS 84 / Pseudo-Mercator\)"):
        main()


@pytest.mark.parametrize("which", [paths.prediction, paths.confidence])
@pytest.mark.parametrize(
    ("values", "profile", "sentence"),
    [
        (np.zeros(UTM.shape, np.float32), {}, "pixels of the type float32"),
        (np.zeros((3, *UTM.shape), np.uint8), {}, "has 3 bands"),
        (np.zeros(UTM.shape, np.uint8), {"crs": None}, "no coordinate reference system"),
        (
            np.zeros(UTM.shape, np.uint8),
            {"transform": UTM.transform @ Affine.translation(1, 0)},
            "lie on different grids",
        ),
    ],
)
def test_a_raster_that_is_not_what_it_should_be_is_one_sentence(which, values, profile, sentence):
    predict(np.zeros(UTM.shape, dtype=np.uint8))
    values = values.reshape(-1, *UTM.shape)
    options = {"crs": UTM.crs.to_wkt(), "transform": UTM.transform, "dtype": values.dtype} | profile
    which("demo").unlink()
    with rasterio.open(which("demo"), "w", "GTiff", *UTM.shape[::-1], len(values), **options) as file:
        file.write(values)
    with pytest.raises(SystemExit, match=sentence) as said:
        main()
    assert str(which("demo")) in str(said.value)


def test_a_value_that_is_no_class_is_one_sentence():
    predict(np.full(UTM.shape, 9, dtype=np.uint8))
    with pytest.raises(
        SystemExit, match=r"classes\.tif holds the value 9, but the classes of params\.yaml are 0 to 5"
    ):
        main()


def test_the_prediction_is_never_read_whole(monkeypatch):
    tall = Grid(UTM.crs, UTM.transform, 1500, 80)
    classes = np.full(tall.shape, 3, dtype=np.uint8)
    classes[:, 40:43] = 2
    predict(classes, tall)
    read, rows = raster.Reader.read_band, []

    def noted(self, window=None, band=1):
        rows.append(self.grid.height if window is None else window.height)
        return read(self, window, band)

    monkeypatch.setattr(raster.Reader, "read_band", noted)
    main()
    assert max(rows) < 800
    roads = pyogrio.read_dataframe(paths.geopackage("demo"), layer="road_edges")
    assert roads["length_m"].sum() == pytest.approx(15_000, abs=30)
    assert roads["width_m"].tolist() == [30]


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason=NO_REAL_DATA)
def test_the_real_scene_keeps_the_area_of_its_classes(tmp_path, monkeypatch):
    texts = [(ROOT / name).read_text() for name in ("params.yaml", "params/dubai.yaml")]
    (tmp_path / "params.yaml").write_text(overlaid(*texts))
    monkeypatch.setattr("sys.argv", ["vectorize", "dubai"])
    with raster.reading(REAL) as labels:
        classes, grid = labels.read_band(), labels.grid
    predict(classes, grid, "dubai")
    main()
    land = pyogrio.read_dataframe(paths.geopackage("dubai"), layer="land_cover")
    assert land.geometry.is_valid.all()
    found = np.bincount(land["class_id"], land["area_m2"], 6)
    assert found == pytest.approx(
        np.bincount(classes[classes != IGNORE], minlength=6) * grid.resolution**2, rel=0.03
    )
