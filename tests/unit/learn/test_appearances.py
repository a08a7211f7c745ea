import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from urbanseg.config.train import AugmentParams
from urbanseg.grid import Grid, Window
from urbanseg.io import cog
from urbanseg.learn.appearances import convolved, mixed_amplitudes, relit
from urbanseg.learn.batch_sampler import Draw
from urbanseg.learn.data import Source, Tile, TileDataset, TrainingSet
from urbanseg.model.spec import CLIP, Spec

NONE = AugmentParams(flips=False, brightness=0, contrast=0, gamma=0, bands=0, noise=0, scale=0)
SPEC = Spec(["red", "green", "blue"], [120.0] * 3, [50.0] * 3, ["a", "b"], "Unet", "resnet18", units="uint8")


@pytest.fixture
def images():
    rng = np.random.default_rng(3)
    return rng.normal(0, 0.5, (2, 3, 64, 64)).astype(np.float32) + np.float32([[[[-0.5]]], [[[0.8]]]])


def test_mixing_no_amplitude_gives_the_image_and_all_of_them_the_other_colours(images):
    one, other = images
    np.testing.assert_allclose(mixed_amplitudes(one, other, 0.0), one, atol=1e-5)
    mixed = mixed_amplitudes(one, other, 1.0)
    np.testing.assert_allclose(mixed.mean(axis=(1, 2)), other.mean(axis=(1, 2)), atol=0.05)
    assert all(np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.5 for a, b in zip(mixed, one, strict=True))


def test_a_random_filter_leaves_things_where_they_are_and_is_the_same_for_the_same_draw(images):
    image = np.zeros_like(images[0])
    image[:, 20:40, 20:40] = 1
    made = [convolved(image, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
    assert all((each[:, :10] == 0).all() and np.abs(each[:, 25:35, 25:35]).min() > 0 for each in made)


def test_light_keeps_black_and_white_in_their_range_and_the_order_of_values():
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8), (3, 4, 256))
    lit = [relit(ramp, "uint8", 1.0, np.random.default_rng(seed)) for seed in range(20)]
    assert min(each.min() for each in lit) >= 0
    assert max(each.max() for each in lit) <= 255.01
    assert all((np.diff(each, axis=2) >= 0).all() for each in lit)
    middle = [each[:, :, 128].mean() for each in lit]
    assert min(middle) < 110
    assert max(middle) > 150


def test_no_change_of_light_gives_the_same_values():
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8), (3, 4, 256))
    for units in ("uint8", "reflectance_10000", None):
        np.testing.assert_allclose(relit(ramp, units, 0.0, np.random.default_rng(0)), ramp, atol=1e-2)


@pytest.mark.parametrize("name", ["fourier", "convolution", "light"])
def test_each_is_off_unless_it_is_asked_for_and_changes_the_image_alone(name, tmp_path):
    grid = Grid(CRS(32632), Affine(10, 0, 500000, 0, -10, 5400000), 64, 128)
    rng = np.random.default_rng(0)
    with cog.writing(tmp_path / "scene.tif", grid, dtype="uint8", count=3) as writer:
        writer.write(rng.integers(1, 255, (3, 64, 128), np.uint8))
    with cog.writing(tmp_path / "labels.tif", grid, dtype="uint8", nodata=255) as writer:
        writer.write(rng.integers(0, 2, (64, 128), np.uint8))
    source = Source(tmp_path / "scene.tif", tmp_path / "labels.tif")
    data = TrainingSet([], [], {"x": source}, SPEC, 64, np.zeros((0, 2), np.int64))
    tiles = [Tile("x", Window(0, 0, 64, 64)), Tile("x", Window(0, 64, 64, 64))]
    plain, labels = TileDataset(tiles, data, 64, NONE)[Draw(0, 0)]
    changed = TileDataset(tiles, data, 64, NONE.model_copy(update={name: 1.0}))
    drawn = [changed[Draw(0, number)] for number in range(6)]
    assert sum(bool((image != plain).any()) for image, _ in drawn) >= 2
    assert all((target == labels).all() and image.abs().max() <= CLIP for image, target in drawn)
    again = TileDataset(tiles, data, 64, NONE.model_copy(update={name: 1.0}))[Draw(0, 5)]
    assert (again[0] == drawn[5][0]).all()
    assert name not in NONE.model_dump()
