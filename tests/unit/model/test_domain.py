"""An image is as far from a training as it looks, and the reason is named."""

import json

import numpy as np
import pytest
import skimage.data
from scipy.ndimage import gaussian_filter

from tests.unit.imagery.simulated.test_rendering import scene
from urbanseg.errors import PipelineError
from urbanseg.imagery.simulated import rendering, surfaces, world
from urbanseg.io import raster
from urbanseg.model import domain
from urbanseg.model.spec import Spec
from urbanseg.osm import read_features
from urbanseg.osm.simulated import lay_out, write

BANDS = ["B02", "B03", "B04", "B08"]
RED = [BANDS[i] for i in (2, 1, 0)]


def render(folder, seed, style, side_m, **changes):
    """A simulated scene ``(4, side, side)`` uint16, of all that its map has, as the scene stage makes it."""
    place = {"longitude": 9.2, "latitude": 48.8, "width_m": side_m, "height_m": side_m}
    params = scene(layout={"style": style, "seed": seed, **place}, **changes)
    plan = rendering.area(params)
    extract = folder / "city.osm.pbf"
    write(extract, lay_out(style, seed, plan.bounds), plan.crs)
    features = read_features(extract, surfaces.RULES, skip=surfaces.SKIP, keep_tags=surfaces.KEEP_TAGS)
    drawn = world.of_scene(params, plan)
    rendering.render(features, plan, params, drawn, folder / "scene.tif", folder / "scl.tif")
    return raster_of(folder / "scene.tif")


def raster_of(path):
    with raster.reading(path) as bands:
        return bands.read()


def spec_of(pixels, bands):
    flat = pixels.reshape(len(pixels), -1).astype(float)
    classes = ["other", "water"]
    return Spec(bands, list(flat.mean(axis=1)), list(flat.std(axis=1)), classes, "Unet", "resnet18")


def judge(pixels, known, spec, valid=None):
    held = np.ones(pixels.shape[1:], bool) if valid is None else valid
    rows = [domain.describe(tile, spec) for tile in domain.tiles(pixels, held)]
    return domain.distance(np.array(rows), known, spec)


def known_of(pixels, spec):
    return domain.statistics(domain.tiles(pixels, np.ones(pixels.shape[1:], bool)), spec)


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """The simulated city that is trained on, ``(4, 384, 384)`` uint16."""
    return render(tmp_path_factory.mktemp("city"), 11, "river", 3840)


@pytest.fixture(scope="module")
def trained(city):
    spec = spec_of(city, BANDS)
    return known_of(city, spec), spec


@pytest.fixture(scope="module")
def trained_rgb(city):
    """The same in 8 bit: red, green, blue."""
    pixels = as_bytes(city)
    spec = spec_of(pixels, ["red", "green", "blue"])
    return known_of(pixels, spec), spec


def as_bytes(pixels):
    return np.clip(pixels[[2, 1, 0]] / 3000 * 255, 0, 255).astype(np.uint8)


def like_training(image, spec):
    """An image with the mean and deviation of the training in each band."""
    mean, std = (np.array(v)[:, None, None] for v in (spec.mean, spec.std))
    flat = image.astype(float)
    centred = flat - flat.mean(axis=(1, 2), keepdims=True)
    return centred / flat.std(axis=(1, 2), keepdims=True) * std + mean


def photo(name):
    picture = np.moveaxis(getattr(skimage.data, name)(), -1, 0)[:3]
    return picture, picture[[2, 1, 0, 0]]


@pytest.mark.parametrize(
    ("style", "seed", "changes"),
    [
        ("river", 9, {}),
        pytest.param("oasis", 3, {}, marks=pytest.mark.slow),
        ("oasis", 8, {"climate": "arid", "haze": 0.03}),
        pytest.param("river", 5, {"sun_elevation": 40, "haze": 0.04}, marks=pytest.mark.slow),
    ],
)
def test_other_simulated_cities_are_known(tmp_path, trained, trained_rgb, style, seed, changes):
    found = render(tmp_path, seed, style, 1600, **changes)
    for pixels, training in ((found, trained), (as_bytes(found), trained_rgb)):
        for part in (pixels, pixels[:, :128, :128], pixels[:, 100:164, 100:164], pixels[:, :20, :30]):
            judged = judge(part, *training)
            assert not judged.is_unusual, judged
            assert judged.reasons == []


@pytest.mark.parametrize("name", ["chelsea", "retina"])
def test_a_cat_and_a_retina_are_warned_of_or_refused(trained, trained_rgb, name):
    colour, four = photo(name)
    assert judge(colour, *trained_rgb).is_unusual
    assert judge(four, *trained).is_foreign
    assert judge(like_training(four, trained[1]), *trained).is_unusual
    assert judge(four * 20.0, *trained).is_unusual


@pytest.mark.parametrize("correlated", [False, True])
@pytest.mark.parametrize("blur", [0, 2])
def test_noise_is_refused_even_with_the_trainings_mean_and_deviation(trained, correlated, blur):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1 if correlated else 4, 200, 200))
    bands = [gaussian_filter(band, blur) for band in np.broadcast_to(noise, (4, 200, 200))]
    found = judge(like_training(np.stack(bands), trained[1]), *trained)
    assert found.is_unusual
    if not correlated:
        assert found.is_foreign
        assert any("noise" in reason for reason in found.reasons)


CHANGES = {
    "units": (lambda p: p / 10_000, "units"),
    "8 bit": (lambda p: p / 40, "units"),
    "order": (lambda p: p[[3, 1, 2, 0]], "order of the bands"),
    "blurred": (lambda p: np.stack([gaussian_filter(band.astype(float), 4) for band in p]), "resolution"),
    "flat": (lambda p: np.full_like(p, 1000), "resolution"),
    "brighter": (lambda p: p + 4000.0, "season or haze"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_reason_is_named(city, trained, name):
    change, reason = CHANGES[name]
    found = judge(change(city), *trained)
    assert found.is_unusual
    assert any(reason in text for text in found.reasons), found.reasons
    assert all(text.isprintable() for text in found.reasons)


def test_what_is_missing_counts_for_nothing(city, trained):
    valid = np.ones(city.shape[1:], bool)
    valid[:64, :64] = valid[100:102, 100:102] = False
    holed = np.where(valid, city, 60_000)
    assert abs(judge(holed, *trained, valid).score - judge(city, *trained).score) < 0.2
    assert list(domain.tiles(holed, np.zeros_like(valid))) == []
    assert list(domain.tiles(city[:, :10], valid[:10])) == []


def test_the_statistics_are_the_same_each_time_and_come_back_from_their_file(city, trained, tmp_path):
    known, spec = trained
    assert known_of(city, spec) == known
    domain.write(tmp_path, known)
    assert domain.read(tmp_path, spec) == known
    assert domain.read(tmp_path / "none", spec) is None
    assert domain.statistics([], spec) is None


@pytest.mark.parametrize(
    "changes",
    [{"bands": RED}, {"mean": [1.0]}, {"covariance": None}, {"single": 0}, {"low": ["x"]}, {"high": None}],
    ids=str,
)
def test_statistics_of_another_model_are_one_sentence(trained, tmp_path, changes):
    known, spec = trained
    (tmp_path / domain.FILE).write_text(json.dumps(known | changes))
    with pytest.raises(PipelineError, match=r"domain\.json is of another model, or damaged"):
        domain.read(tmp_path, spec)
