from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from urbanseg.classes import IGNORE
from urbanseg.infer.decode import Decoder
from urbanseg.infer.stitching import predict_strips
from urbanseg.infer.windows import WindowGrid, offsets

CLASSES = 3
EVERYTHING = Decoder(extras=("probabilities", "entropy", "margin"))


def per_pixel(pixels):
    """Probabilities that depend on a pixel's own value alone: (n, bands, h, w) → (n, 3, h, w)."""
    scores = np.stack([pixels[:, 0], 255.0 - pixels[:, 0], np.full(pixels[:, 0].shape, 100.0)], axis=1)
    return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


def local(pixels):
    """Probabilities by the mean of 3 × 3 pixels, which at a window's border lacks some of them."""
    return per_pixel(ndimage.uniform_filter(pixels.astype(np.float32), (0, 0, 3, 3), mode="constant"))


def predict(scene, valid=None, size=32, overlap=16, batch_size=4, network=per_pixel, **options):
    """All layers of the strips, put together."""
    shape = scene.shape[1:]
    valid = np.ones(shape, bool) if valid is None else valid
    blend, rows = options.get("blend", "hann"), options.get("rows")
    strips = list(
        predict_strips(
            WindowGrid(shape, size, overlap, blend),
            read=lambda w: scene[:, *w.slices],
            valid=lambda w: valid[w.slices],
            predict=network,
            classes=CLASSES,
            batch_size=batch_size,
            decoder=options.get("decoder"),
            rows=rows,
        )
    )
    wanted = rows or range(shape[0])
    assert [r for s in strips for r in range(s.window.row, s.window.row + s.window.height)] == list(wanted)
    return {name: np.concatenate([s.layers[name] for s in strips], axis=-2) for name in strips[0].layers}


def noise(height, width):
    return np.random.default_rng(height * 1000 + width).integers(0, 255, (1, height, width)).astype(np.uint8)


@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(0, 31),
    st.integers(1, 9),
    st.sampled_from(["hann", "cosine", "flat"]),
)
def test_a_per_pixel_network_gives_the_same_map_however_the_scene_is_cut(
    height, width, overlap, batch_size, blend
):
    scene = noise(height, width)
    expected = per_pixel(scene[None])[0]
    found = predict(scene, overlap=overlap, batch_size=batch_size, blend=blend)
    assert (found["classes"] == expected.argmax(0)).mean() > 0.999
    np.testing.assert_allclose(found["confidence"] / 254, expected.max(0), atol=0.0021)


@given(
    st.integers(1, 140),
    st.integers(1, 140),
    st.sampled_from([(32, 8), (32, 16), (64, 8), (64, 40), (96, 12)]),
    st.sampled_from(["hann", "cosine"]),
)
def test_a_local_network_gives_the_same_classes_by_any_windows_away_from_the_border(
    height, width, tiling, blend
):
    scene = ndimage.uniform_filter(noise(height, width), (0, 2, 2))
    expected = local(scene[None])[0]
    found = predict(scene, size=tiling[0], overlap=tiling[1], blend=blend, network=local)
    first, second = np.sort(expected, axis=0)[:-3:-1]
    decided = first - second > 0.03
    decided[[0, -1]] = decided[:, [0, -1]] = False
    assert (found["classes"] == expected.argmax(0))[decided].all()


@given(
    st.integers(1, 140),
    st.integers(1, 100),
    st.integers(0, 31),
    st.integers(1, 9),
    st.integers(0, 140),
    st.data(),
)
def test_parts_predicted_alone_are_the_whole_to_the_bit(height, width, overlap, batch_size, hole, data):
    scene, valid = noise(height, width), np.ones((height, width), bool)
    valid[hole : hole + 40, : width // 2] = False
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, height - 1)), max_size=3)) - {height})
    company = []

    def network(pixels):
        # An answer that changes with the batch, as real kernels' last bits do.
        company.append(len(pixels))
        return local(pixels) * np.float32(1 + 1e-3 * len(pixels))

    options = {"valid": valid, "overlap": overlap, "batch_size": batch_size, "network": network}
    whole = predict(scene, decoder=EVERYTHING, **options)
    edges = [0, *cuts, height]
    parts = [predict(scene, decoder=EVERYTHING, rows=range(a, b), **options) for a, b in pairwise(edges)]
    for name, layer in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts], axis=-2), layer)
    assert max(company, default=0) <= batch_size


def test_strips_of_one_pixel_are_the_whole_to_the_bit():
    scene = noise(70, 50)
    whole = predict(scene, network=local)["classes"]
    for row in range(70):
        alone = predict(scene, network=local, rows=range(row, row + 1))["classes"]
        np.testing.assert_array_equal(alone, whole[row : row + 1])


def test_a_network_that_is_bad_at_its_border_leaves_no_seam():
    def bad_at_the_border(pixels):
        probabilities = per_pixel(pixels)
        probabilities[..., :2, :], probabilities[..., :2] = 1 / 3, 1 / 3
        return probabilities

    scene = np.full((1, 100, 100), 250, np.uint8)
    found = predict(scene, network=bad_at_the_border)
    assert (found["classes"] == 0).all()
    assert found["confidence"].min() > 0.97 * found["confidence"].max()


def test_windows_without_any_data_are_not_predicted():
    seen = []

    def network(pixels):
        seen.append(len(pixels))
        return per_pixel(pixels)

    scene = np.full((1, 64, 256), 250, np.uint8)
    valid = np.zeros((64, 256), bool)
    valid[:, :40] = True
    found = predict(scene, valid, network=network, decoder=EVERYTHING)
    everything = len(offsets(64, 32, 16)) * len(offsets(256, 32, 16))
    assert 0 < sum(seen) < everything / 2
    assert (found["classes"][valid] == 0).all()
    for layer in found.values():
        assert (layer[..., ~valid] == IGNORE).all()


def test_a_scene_without_any_data_is_not_predicted_at_all():
    found = predict(np.zeros((1, 50, 50)), np.zeros((50, 50), bool), network=None)
    assert (found["classes"] == IGNORE).all()
    assert (found["confidence"] == IGNORE).all()


def test_each_pixel_is_read_once():
    reads = np.zeros((700, 90), int)

    def read(window):
        reads[window.slices] += 1
        return np.zeros((2, window.height, window.width), np.uint16)

    strips = predict_strips(
        WindowGrid((700, 90), 64, 32), read, lambda w: np.ones((w.height, w.width), bool), per_pixel,
        classes=CLASSES, batch_size=3,
    )  # fmt: skip
    assert sum(strip.window.height for strip in strips) == 700
    assert (reads == 1).all()


def test_an_error_of_the_network_reaches_the_caller():
    def broken(_):
        raise ZeroDivisionError("in the network")

    with pytest.raises(ZeroDivisionError, match="in the network"):
        predict(noise(50, 50), network=broken)
