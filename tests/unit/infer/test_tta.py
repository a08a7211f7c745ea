import numpy as np
import pytest
from scipy.special import softmax

from urbanseg.infer.tta import SYMMETRIES, restricted, with_tta


def pixels(seed=3, size=16):
    return np.random.default_rng(seed).normal(size=(2, 4, size, size)).astype(np.float32)


def directed(images):
    """A network that sees directions: logits are differences to the neighbours on two sides."""
    return softmax(images - np.roll(images, 1, -1) + 2 * np.roll(images, 1, -2), axis=1)


@pytest.mark.parametrize("augment", ["flips", "d4"])
def test_augmented_predictions_turn_with_the_image(augment):
    predict = with_tta(directed, augment)
    images = pixels()
    for turns, mirrored in SYMMETRIES[augment]:
        seen = np.rot90(images[..., ::-1] if mirrored else images, turns, (-2, -1))
        plain = predict(images)
        expected = np.rot90(plain[..., ::-1] if mirrored else plain, turns, (-2, -1))
        np.testing.assert_allclose(predict(seen), expected, atol=1e-6)


def test_a_network_without_directions_is_left_as_it_is():
    predict = with_tta(lambda images: softmax(images, axis=1), "d4")
    np.testing.assert_allclose(predict(pixels()), softmax(pixels(), axis=1), atol=1e-6)
    assert with_tta(directed, "none") is directed


def test_the_symmetries_are_all_different():
    square = np.arange(9).reshape(3, 3)
    seen = {np.rot90(square[:, ::-1] if m else square, t).tobytes() for t, m in SYMMETRIES["d4"]}
    assert len(seen) == 8


def test_restricting_is_the_softmax_over_the_logits_kept():
    logits, kept = pixels(), np.array([True, False, True, True])
    found = restricted(lambda images: softmax(images, axis=1), kept)(logits)
    np.testing.assert_allclose(found[:, kept], softmax(logits[:, kept], axis=1), atol=1e-6)
    assert (found[:, ~kept] == 0).all()


def test_where_nothing_is_left_the_answer_is_other():
    certain = np.zeros((1, 4, 2, 2), np.float32)
    certain[:, 1] = 1
    found = restricted(lambda _: certain.copy(), np.array([True, False, True, False]))(pixels())
    assert (found[:, 0] == 1).all()
