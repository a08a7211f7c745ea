import numpy as np
import pytest
import torch
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from urbanseg import raster
from urbanseg.classes import IGNORE
from urbanseg.grid import Grid, Window
from urbanseg.learn.data import Draw, Draws, Source, Tile, TileDataset, augmentation, crop, in_order, pad
from urbanseg.segmenter import CLIP, Spec
from urbanseg.train_params import AugmentParams

SPEC = Spec(["B02", "B08"], [500.0, 2000.0], [200.0, 800.0], ["a", "b"], "Unet", "resnet18")
ALL = AugmentParams(flips=True, brightness=0.2, contrast=0.2, noise=0.05)


@pytest.fixture
def source(tmp_path):
    grid = Grid(CRS(32632), Affine(10, 0, 500000, 0, -10, 5400000), 100, 120)
    rng = np.random.default_rng(0)
    scene, labels = tmp_path / "scene.tif", tmp_path / "labels.tif"
    with raster.writing(scene, grid, dtype="uint16", count=2) as writer:
        writer.write(rng.integers(1, 4000, (2, 100, 120), np.uint16))
    with raster.writing(labels, grid, dtype="uint8", nodata=IGNORE) as writer:
        writer.write(rng.integers(0, 2, (100, 120), np.uint8))
    return Source(scene, labels)


@given(st.integers(1, 50), st.integers(1, 8), st.integers(1, 12), st.integers(1, 5))
def test_every_tile_is_drawn_once_per_pass_across_epochs(tiles, batch, steps, epochs):
    draws = Draws(tiles, batch, steps, seed=3)
    seen = []
    for epoch in range(epochs):
        draws.epoch = epoch
        seen += [draw for drawn in draws for draw in drawn]
    assert [d.number for d in seen] == list(range(batch * steps * epochs))
    for lap in range(len(seen) // tiles):
        assert sorted(d.tile for d in seen[lap * tiles : (lap + 1) * tiles]) == list(range(tiles))


def test_an_epoch_is_the_same_whether_or_not_the_ones_before_were_drawn():
    fresh, used = Draws(20, 4, 3, seed=1), Draws(20, 4, 3, seed=1)
    for epoch in range(3):
        used.epoch = epoch
        last = list(used)
    fresh.epoch = 2
    assert list(fresh) == last


def test_validation_sees_every_tile_once():
    assert [d.tile for batch in in_order(7, 3) for d in batch] == list(range(7))


def test_a_sample_is_the_window_of_scene_and_labels(source):
    dataset = TileDataset([Tile("x", Window(20, 30, 64, 64))], {"x": source}, SPEC, 64)
    image, target = dataset[Draw(0, 0)]
    with raster.reading(source.scene) as scene, raster.reading(source.labels) as labels:
        window = Window(20, 30, 64, 64)
        expected = SPEC.normalise(scene.read(window))
        assert (target.numpy() == labels.read_band(window)).all()
    np.testing.assert_array_equal(image.numpy(), expected)
    assert image.dtype == torch.float32
    assert target.dtype == torch.int64


def test_a_small_window_is_padded_and_the_padding_ignored(source):
    dataset = TileDataset([Tile("x", Window(0, 0, 40, 64))], {"x": source}, SPEC, 64)
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


def test_a_draw_gives_the_same_sample_each_time_and_another_draw_another(source):
    dataset = TileDataset(
        [Tile("x", Window(0, 0, 64, 64))], {"x": source}, SPEC, 64, augmentation(ALL), seed=5
    )
    images = [dataset[Draw(0, number)][0] for number in (3, 4, 3)]
    assert torch.equal(images[0], images[2])
    assert not torch.equal(images[0], images[1])


def test_augmentation_moves_image_and_labels_alike(source):
    only_flips = AugmentParams(flips=True, brightness=0, contrast=0, noise=0)
    dataset = TileDataset(
        [Tile("x", Window(0, 0, 64, 64))], {"x": source}, SPEC, 64, augmentation(only_flips)
    )
    plain_image, plain_target = TileDataset(dataset.tiles, dataset.sources, SPEC, 64)[Draw(0, 0)]
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


def test_augmented_pixels_stay_in_the_clipped_range(source):
    dataset = TileDataset([Tile("x", Window(0, 0, 64, 64))], {"x": source}, SPEC, 64, augmentation(ALL))
    for number in range(10):
        image, _ = dataset[Draw(0, number)]
        assert image.abs().max() <= CLIP + 1e-5
        assert image.shape == (2, 64, 64)


@given(st.integers(1, 20), st.integers(1, 20))
def test_padding_keeps_the_content_and_reaches_the_size(height, width):
    array = np.arange(height * width).reshape(1, height, width)
    padded = pad(array, 16, mode="reflect")
    assert padded.shape == (1, max(16, height), max(16, width))
    assert (padded[:, :height, :width] == array).all()


def turn(image, quarters, flip):
    turned = torch.rot90(image, quarters, (1, 2))
    return turned.flip(2) if flip else turned
