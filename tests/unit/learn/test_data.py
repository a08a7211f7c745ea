from dataclasses import replace

import numpy as np
import pytest
import torch
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from urbanseg.classes import IGNORE
from urbanseg.config.train import AugmentParams
from urbanseg.grid import Grid, Window
from urbanseg.io import cog, raster
from urbanseg.learn.assembly import one_against_rest
from urbanseg.learn.batch_sampler import Draw
from urbanseg.learn.data import CORRECTED, Source, Tile, TileDataset, TrainingSet, crop, resized
from urbanseg.model.spec import CLIP, Spec

SPEC = Spec(["B02", "B08"], [500.0, 2000.0], [200.0, 800.0], ["a", "b"], "Unet", "resnet18")
ALL = AugmentParams(flips=True, brightness=0.2, contrast=0.2, gamma=0.3, bands=0.1, noise=0.05, scale=0.3)
NONE = AugmentParams(flips=False, brightness=0, contrast=0, gamma=0, bands=0, noise=0, scale=0)


def test_blur_is_off_unless_it_is_asked_for_and_smooths_the_image_alone(data):
    tile = [Tile("x", Window(20, 30, 64, 64))]
    sharp, labels = TileDataset(tile, data, 64, NONE)[Draw(0, 0)]
    blurred = [
        TileDataset(tile, data, 64, NONE.model_copy(update={"blur": 3.0}))[Draw(0, k)] for k in range(8)
    ]
    assert min(image.std() for image, _ in blurred) < 0.75 * sharp.std()
    assert all((target == labels).all() for _, target in blurred)
    assert "blur" not in NONE.model_dump()


@pytest.fixture
def source(tmp_path):
    grid = Grid(CRS(32632), Affine(10, 0, 500000, 0, -10, 5400000), 100, 120)
    rng = np.random.default_rng(0)
    scene, labels = tmp_path / "scene.tif", tmp_path / "labels.tif"
    with cog.writing(scene, grid, dtype="uint16", count=2) as writer:
        writer.write(rng.integers(1, 4000, (2, 100, 120), np.uint16))
    with cog.writing(labels, grid, dtype="uint8", nodata=IGNORE) as writer:
        writer.write(rng.integers(0, 2, (100, 120), np.uint8))
    return Source(scene, labels)


@pytest.fixture
def data(source):
    return TrainingSet([], [], {"x": source}, SPEC, 64, np.zeros((0, 2), np.int64))


def test_a_sample_is_the_window_of_scene_and_labels(source, data):
    dataset = TileDataset([Tile("x", Window(20, 30, 64, 64))], data, 64)
    image, target = dataset[Draw(0, 0)]
    with raster.reading(source.scene) as scene, raster.reading(source.labels) as labels:
        window = Window(20, 30, 64, 64)
        expected = SPEC.normalise(scene.read(window))
        assert (target.numpy() == labels.read_band(window)).all()
    np.testing.assert_array_equal(image.numpy(), expected)
    assert image.dtype == torch.float32
    assert target.dtype == torch.int64


def test_a_small_window_is_padded_and_the_padding_ignored(data):
    dataset = TileDataset([Tile("x", Window(0, 0, 40, 64))], data, 64)
    image, target = dataset[Draw(0, 0)]
    assert image.shape == (2, 64, 64)
    assert (target[40:] == IGNORE).all()
    assert (target[:40] != IGNORE).all()
    np.testing.assert_array_equal(image[:, 40], image[:, 38])


@given(st.integers(1, 100), st.integers(1, 100), st.integers(1, 120), st.integers(0, 9))
def test_a_part_of_a_tile_lies_inside_the_tile_and_is_as_large_as_it_can_be(height, width, size, seed):
    tile = Window(7, 9, height, width)
    part = crop(tile, size, np.random.default_rng(seed))
    assert (part.height, part.width) == (min(size, height), min(size, width))
    assert tile.row <= part.row <= part.row + part.height <= tile.row + tile.height
    assert tile.col <= part.col <= part.col + part.width <= tile.col + tile.width


def test_the_parts_of_a_tile_reach_all_of_it():
    offsets = {crop(Window(0, 0, 40, 33), 32, np.random.default_rng(i))[:2] for i in range(500)}
    assert {row for row, _ in offsets} == set(range(9))
    assert {col for _, col in offsets} == {0, 1}


def test_a_draw_gives_the_same_sample_each_time_and_another_draw_another(data):
    dataset = TileDataset([Tile("x", Window(0, 0, 64, 64))], data, 64, ALL, seed=5)
    images = [dataset[Draw(0, number)][0] for number in (3, 4, 3)]
    assert torch.equal(images[0], images[2])
    assert not torch.equal(images[0], images[1])


def test_augmentation_moves_image_and_labels_alike(data):
    only_flips = NONE.model_copy(update={"flips": True})
    dataset = TileDataset([Tile("x", Window(0, 0, 64, 64))], data, 64, only_flips)
    plain_image, plain_target = TileDataset(dataset.tiles, data, 64)[Draw(0, 0)]
    views = {}
    for number in range(40):
        image, target = dataset[Draw(0, number)]
        turns = [
            (k, flip)
            for k in range(4)
            for flip in (False, True)
            if torch.allclose(turn(plain_image, k, flip), image, atol=1e-5)
        ]
        assert len(turns) == 1
        assert torch.equal(turn(plain_target[None], *turns[0])[0], target)
        views[turns[0]] = True
    assert len(views) == 8


def test_each_band_has_a_gain_of_its_own_over_the_lower_end_of_the_range(data):
    dataset = TileDataset([Tile("x", Window(0, 0, 64, 64))], data, 64, NONE.model_copy(update={"bands": 0.1}))
    plain = TileDataset(dataset.tiles, data, 64)[Draw(0, 0)][0] + CLIP
    kept, gains = 0, []
    for number in range(200):
        ratio = (dataset[Draw(0, number)][0] + CLIP) / plain
        ratio = ratio[:, (plain * 1.1 < 2 * CLIP).all(dim=0)]  # what stays below the upper end
        assert torch.allclose(ratio, ratio[:, :1].expand_as(ratio), atol=1e-4)
        kept += bool(torch.allclose(ratio, torch.ones(()), atol=1e-4))
        gains.append(ratio[:, 0].numpy())
    spread = np.array(gains)
    assert 20 < kept < 60  # one in five
    assert 0.9 - 1e-4 <= spread.min() < 0.91
    assert 1.09 < spread.max() <= 1.1 + 1e-4
    assert abs(np.corrcoef(spread.T)[0, 1]) < 0.3


def test_gamma_bends_all_bands_by_one_exponent_and_keeps_both_ends_of_the_range(data):
    dataset = TileDataset([Tile("x", Window(0, 0, 64, 64))], data, 64, NONE.model_copy(update={"gamma": 0.2}))
    plain = TileDataset(dataset.tiles, data, 64)[Draw(0, 0)][0] / (2 * CLIP) + 0.5
    inner = (plain > 0.05) & (plain < 0.95)
    exponents = []
    for number in range(200):
        bent = (dataset[Draw(0, number)][0] / (2 * CLIP) + 0.5)[inner]
        exponent = bent.log() / plain[inner].log()
        assert torch.allclose(exponent, exponent[0].expand_as(exponent), atol=1e-2)
        exponents.append(exponent.median().item())
    assert 20 < np.isclose(exponents, 1, atol=1e-4).sum() < 60  # one in five
    assert 0.8 - 1e-3 <= min(exponents) < 0.82
    assert 1.18 < max(exponents) <= 1.2 + 1e-3


def test_augmented_pixels_stay_in_the_clipped_range(data):
    dataset = TileDataset([Tile("x", Window(0, 0, 64, 64))], data, 64, ALL)
    for number in range(10):
        image, _ = dataset[Draw(0, number)]
        assert image.abs().max() <= CLIP + 1e-5
        assert image.shape == (2, 64, 64)


def test_a_random_scale_keeps_the_size_and_reaches_both_ends(data):
    """Of a tile as large as the sample, enlarged parts fill it; reduced ones leave a rim unknown."""
    scaled = NONE.model_copy(update={"scale": 0.5})
    dataset = TileDataset([Tile("x", Window(0, 0, 64, 64))], data, 64, scaled)
    rims = []
    for number in range(200):
        image, target = dataset[Draw(0, number)]
        assert image.shape == (2, 64, 64)
        known = (target != IGNORE).numpy()
        side = int(known.any(axis=1).sum())
        assert known[:side, :side].all()
        assert not known[side:].any()
        assert not known[:, side:].any()
        rims.append(side)
    assert 32 <= min(rims) < 36
    assert max(rims) == 64
    assert 0.3 < np.mean(np.array(rims) == 64) < 0.7


@given(st.integers(8, 40), st.integers(1, 9))
def test_resampling_keeps_labels_whole_and_pixels_between_their_neighbours(side, bands):
    rng = np.random.default_rng(side)
    image = rng.random((bands, side, side), np.float32)
    target = rng.choice(np.array([0, 1, 7, IGNORE], np.uint8), (side, side))
    scaled, labels = resized(image, target, 32)
    assert scaled.shape == (bands, 32, 32)
    assert scaled.dtype == np.float32
    assert set(np.unique(labels)) <= set(np.unique(target))
    assert image.min() - 1e-6 <= scaled.min() <= scaled.max() <= image.max() + 1e-6
    centres = ((np.arange(32) + 0.5) * side / 32).astype(int)
    assert (labels == target[np.ix_(centres, centres)]).all()


def test_image_and_labels_are_resampled_onto_the_same_grid():
    ramp = np.tile(np.arange(64, dtype=np.float32), (64, 1))
    image, target = resized(ramp[None], (ramp // 16).astype(np.uint8), 48)
    assert np.abs(image[0] // 16 - target).mean() < 0.05


def test_one_class_is_learnt_against_the_rest(data):
    binary = replace(data, relabel=one_against_rest(1))
    tiles = [Tile("x", Window(0, 0, 40, 64))]
    _, target = TileDataset(tiles, data, 64)[Draw(0, 0)]
    _, mapped = TileDataset(tiles, binary, 64)[Draw(0, 0)]
    assert (mapped[target == 1] == 1).all()
    assert (mapped[target == 0] == 0).all()
    assert (mapped[target == IGNORE] == IGNORE).all()


def turn(image, quarters, flip):
    turned = torch.rot90(image, quarters, (1, 2))
    return turned.flip(2) if flip else turned


def test_corrected_pixels_are_marked_in_training_alone_wherever_they_turn(source, data, tmp_path):
    with raster.reading(source.labels) as labels:
        mask = np.zeros(labels.grid.shape, np.uint8)
        mask[30:40, 40:60] = 1
        with cog.writing(tmp_path / "corrected.tif", labels.grid, dtype="uint8") as writer:
            writer.write(mask)
    marked = replace(data, sources={"x": source._replace(corrected=tmp_path / "corrected.tif")})
    tile = [Tile("x", Window(20, 30, 64, 64))]
    _, plain = TileDataset(tile, data, 64, NONE)[Draw(0, 0)]
    _, target = TileDataset(tile, marked, 64, NONE)[Draw(0, 0)]
    expected = plain.clone()
    expected[10:20, 10:30] += CORRECTED
    assert (target == expected).all()
    assert (TileDataset(tile, marked, 64)[Draw(0, 0)][1] == plain).all()
    for number in range(4):
        turned, without = (TileDataset(tile, each, 64, ALL)[Draw(0, number)][1] for each in (marked, data))
        assert (turned % CORRECTED == without).all()
        assert (turned >= CORRECTED).any()
