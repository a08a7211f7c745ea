"""Real images of the shared data: each is brought to a model, or one sentence says why not."""

import numpy as np
import pytest

from tests.unit.infer.test_images import REFLECTANCE
from tests.unit.workflows.model_input.conftest import RGB, S2
from tests.unit.workflows.model_input.test_opening import on_own
from urbanseg.classes import IGNORE
from urbanseg.errors import PipelineError
from urbanseg.grid import Window
from urbanseg.infer.images import other_units
from urbanseg.io import raster
from urbanseg.workflows.model_input.opening import open_for_model
from urbanseg.workflows.model_input.sources import gather


def test_all_pictures_of_dubai_are_images_without_a_place(shared):
    folders = sorted((shared / "dubai").glob("tile*/images"))
    images = gather(folders)
    assert len(images) == 54
    for image in images[::9]:
        with open_for_model(image, RGB) as found:
            assert not found.report.is_placed
            assert found.grid.same_as(found.own)
            assert found.read(Window(0, 0, 16, 16)).dtype == np.uint8


def test_las_vegas_in_degrees_is_warped_and_comes_back(shared, opened):
    (path,) = (shared / "vegas").glob("*.tif")
    with opened(shared / "vegas", RGB) as image:
        assert image.files == (path,)
        assert image.grid.crs.to_epsg() == 32611
        assert image.report.pixel_m == pytest.approx(0.27, abs=0.01)
        classes = on_own(image, 256)
    assert classes.shape == (1300, 1300)
    assert (classes != IGNORE).mean() > 0.998


@pytest.mark.parametrize("date", ["20120731", "20200831"])
def test_naip_of_5_m_is_refused_by_either_model_for_its_own_reason(shared, opened, date):
    path = shared / "naip" / f"m_4709963_se_14_1_{date}.tif"
    with pytest.raises(PipelineError, match=r"has pixels of 5 m, but the model was trained on 0\.5 m"):
        opened(path, RGB).__enter__()
    with pytest.raises(PipelineError, match="colours of 8 bits are no reflectance"):
        opened(path, S2).__enter__()


@pytest.mark.parametrize("model", [RGB, S2])
def test_a_single_band_is_refused_in_one_sentence(shared, opened, model):
    with pytest.raises(PipelineError, match=r"has a single band .*, but the model needs") as caught:
        opened(shared / "atlanta" / "sample_geotiff.tif", model).__enter__()
    assert "\n" not in str(caught.value)


def test_aberystwyth_is_known_as_reflectance_times_1000(shared, opened):
    path = shared / "s2_aberystwyth" / "sen2_20210527_aber.tif"
    with opened(path) as image:
        assert image.grid.same_as(image.own)
        assert "reflectance × 1000" in image.report.units
        valid, pixels = image.valid(), image.read()
    with raster.reading(path) as file:
        np.testing.assert_allclose(pixels, file.read(bands=[1, 2, 3, 7]) * 10.0)
    assert not valid[:, 0].any()
    assert valid[:, 1:].mean() > 0.9999


def test_the_oil_sands_are_one_scene_whose_clouds_are_left_out(shared, opened):
    with opened(shared / "s2_oilsands") as image:
        assert [path.stem for path in image.files] == ["B02", "B03", "B04", "B08"]
        assert image.grid.crs.to_epsg() == 32612
        assert image.report.mask
        hidden = on_own(image, 256) == IGNORE
        own = image.own
    with raster.reading(shared / "s2_oilsands" / "SCL.tif") as scl:
        codes = scl.read_band()
    cloudy, clear = np.isin(codes, [3, 8, 9, 10]), np.isin(codes, [4, 5])
    assert hidden[cloudy].mean() > 0.99
    assert hidden[clear].mean() < 0.15
    assert own.shape == codes.shape
    assert own.crs.to_epsg() == 4326


@pytest.mark.slow
def test_other_units_are_told_by_the_values_of_real_scenes(shared):
    with raster.reading(shared / "s2_aberystwyth" / "sen2_20210527_aber.tif") as image:
        sample = list(image.decimated(400, [1, 2, 3, 7]).data.reshape(4, -1).astype(float))
    assert "far smaller" in (other_units(sample, REFLECTANCE) or "")
    assert other_units([band * 10 for band in sample], REFLECTANCE) is None
