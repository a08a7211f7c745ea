import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from urbanseg.grid import Window
from urbanseg.infer.windows import blend_weights, lattice, predict_strips, read_reflected

CLASSES = 3


def per_pixel(pixels):
    """Probabilities that depend on a pixel's own value alone: (n, bands, h, w) → (n, 3, h, w)."""
    scores = np.stack([pixels[:, 0], 255.0 - pixels[:, 0], np.full(pixels[:, 0].shape, 100.0)], axis=1)
    return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


def predict(scene, valid=None, size=32, overlap=16, batch_size=4, network=per_pixel):
    valid = np.ones(scene.shape[1:], bool) if valid is None else valid
    classes = np.full(scene.shape[1:], 99, np.uint8)
    confidence = np.full(scene.shape[1:], -1, np.float32)
    for strip in predict_strips(
        scene.shape[1:],
        read=lambda w: scene[:, *w.slices],
        is_empty=lambda w: not valid[w.slices].any(),
        predict=network,
        classes=CLASSES,
        size=size,
        overlap=overlap,
        batch_size=batch_size,
    ):
        classes[strip.window.slices] = strip.classes
        confidence[strip.window.slices] = strip.confidence
    return classes, confidence


@given(st.integers(1, 500), st.sampled_from([32, 64]), st.data())
def test_the_lattice_covers_every_pixel_with_full_weight(length, size, data):
    overlap = 2 * data.draw(st.integers(0, size // 4))
    offsets = lattice(length, size, overlap)
    profile = np.sqrt(np.diag(blend_weights(size, overlap)))
    total = np.zeros(length + 4 * size)
    for offset in offsets:
        total[offset + 2 * size : offset + 3 * size] += profile
    inside = total[2 * size : 2 * size + length]
    assert (inside > 0.49).all()
    assert all(-size < o < length for o in offsets)
    np.testing.assert_allclose(total[2 * size + overlap : 2 * size + length - overlap], 1, atol=1e-5)


@settings(max_examples=40)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 31), st.integers(1, 9))
def test_a_per_pixel_network_gives_the_same_map_however_the_scene_is_cut(height, width, overlap, batch_size):
    scene = np.random.default_rng(height * 100 + width).integers(0, 255, (1, height, width)).astype(np.uint8)
    expected = per_pixel(scene[None])[0]
    classes, confidence = predict(scene, overlap=overlap, batch_size=batch_size)
    assert (classes == expected.argmax(0)).mean() > 0.999
    np.testing.assert_allclose(confidence, expected.max(0), atol=1e-5)


def test_a_network_that_is_bad_at_its_border_leaves_no_seam():
    def bad_at_the_border(pixels):
        probabilities = per_pixel(pixels)
        probabilities[..., :2, :], probabilities[..., :2] = 1 / 3, 1 / 3
        return probabilities

    scene = np.full((1, 100, 100), 250, np.uint8)
    classes, confidence = predict(scene, network=bad_at_the_border)
    assert (classes == 0).all()
    assert confidence.min() > 0.97 * confidence.max()


def test_windows_without_any_data_are_not_predicted():
    seen = []

    def network(pixels):
        seen.append(len(pixels))
        return per_pixel(pixels)

    scene = np.full((1, 64, 256), 250, np.uint8)
    valid = np.zeros((64, 256), bool)
    valid[:, :40] = True
    classes, confidence = predict(scene, valid, network=network)
    everything = len(lattice(64, 32, 16)) * len(lattice(256, 32, 16))
    assert 0 < sum(seen) < everything / 2
    assert (classes[valid] == 0).all()
    assert (confidence[:, -100:] == 0).all()


def test_a_scene_without_any_data_is_not_predicted_at_all():
    classes, confidence = predict(np.zeros((1, 50, 50)), np.zeros((50, 50), bool), network=None)
    assert (classes == 0).all()
    assert (confidence == 0).all()


@given(st.integers(1, 20), st.integers(1, 20), st.integers(-15, 19), st.integers(-15, 19))
def test_reflection_agrees_with_padding_the_whole_scene(height, width, row, col):
    window = Window(min(row, height - 1), min(col, width - 1), 16, 16)
    scene = np.arange(height * width).reshape(1, height, width)
    top, left = max(0, window.row), max(0, window.col)
    if window.row + 16 <= top or window.col + 16 <= left:
        return
    part = read_reflected(lambda w: scene[:, *w.slices], window, (height, width))
    assert part.shape == (1, 16, 16)
    inside = part[:, top - window.row :, left - window.col :]
    known = scene[:, top : window.row + 16, left : window.col + 16]
    assert (inside[:, : known.shape[1], : known.shape[2]] == known).all()


@pytest.mark.parametrize("overlap", [0, 8, 16, 24])
def test_weights_are_symmetric_and_never_zero(overlap):
    weights = blend_weights(32, overlap)
    assert (weights > 0).all()
    assert (weights <= 1).all()
    np.testing.assert_array_equal(weights, weights[::-1, ::-1].T)
