"""Several sources become one by priority."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from urbanseg.classes import IGNORE
from urbanseg.grid import Window
from urbanseg.labels import HIDDEN, Labeller, stacked


def source(values: np.ndarray) -> Labeller:
    return lambda window: values[window.slices].copy()


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_the_first_layer_that_knows_a_pixel_labels_it(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    layers = [rng.choice([0, 1, 2, IGNORE, HIDDEN], (6, 7)).astype(np.uint8) for _ in range(count)]
    made = stacked([source(layer) for layer in layers])(Window(1, 2, 4, 5))
    for row in range(4):
        for col in range(5):
            known = [int(layer[row + 1, col + 2]) for layer in layers]
            first = next((value for value in known if value != IGNORE), IGNORE)
            assert made[row, col] == (IGNORE if first == HIDDEN else first)
