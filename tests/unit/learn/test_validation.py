import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.learn.recipes import recipe, stripes
from urbanseg.classes import iou_per_class
from urbanseg.grid import Window
from urbanseg.learn import fabric
from urbanseg.learn.data import Tile
from urbanseg.learn.validation import disjoint, mean_iou, scores_by_city, validate


class Guess(torch.nn.Module):
    """Says class 1 where the first band is above its mean."""

    def forward(self, images):
        return torch.stack([torch.zeros_like(images[:, 0]), images[:, 0]], dim=1)


def test_iou_is_nan_only_where_a_class_is_nowhere():
    confusion = np.array([[8, 2, 0], [0, 10, 0], [0, 0, 0]])
    iou = torch.from_numpy(iou_per_class(confusion))
    torch.testing.assert_close(iou[:2], torch.tensor([0.8, 10 / 12], dtype=torch.float64))
    assert iou[2].isnan()
    assert mean_iou(iou) == (0.8 + 10 / 12) / 2


def test_the_loss_of_validation_does_not_depend_on_the_batches():
    processes = fabric.launch(recipe(), 7)
    images, targets = torch.randn(6, 1, 8, 8), torch.randint(0, 2, (6, 8, 8))
    targets[0, :, 2:] = 255
    targets[3] = 255
    loss = torch.nn.CrossEntropyLoss(ignore_index=255)
    one = validate(processes, Guess(), loss, [(images, targets)], ["a", "b"])
    cut = [(images[:1], targets[:1]), (images[1:3], targets[1:3]), (images[3:], targets[3:])]
    parts = validate(processes, Guess(), loss, cut, ["a", "b"])
    assert parts == {**one, "val_loss": parts["val_loss"]}
    assert abs(parts["val_loss"] - one["val_loss"]) < 1e-6


windows = st.builds(Window, st.integers(0, 40), st.integers(0, 40), st.integers(1, 20), st.integers(1, 20))


@given(st.lists(windows, max_size=20))
def test_no_pixel_is_in_two_of_the_disjoint_tiles_and_none_could_be_added(found):
    tiles = [Tile("x", window) for window in found]
    seen = np.zeros((60, 60), int)
    chosen = disjoint(tiles)
    for _, (row, col, height, width) in chosen:
        seen[row : row + height, col : col + width] += 1
    assert seen.max(initial=0) <= 1
    for tile in set(tiles) - set(chosen):
        row, col, height, width = tile.window
        assert seen[row : row + height, col : col + width].any()


def test_a_network_is_scored_by_city_on_test_tiles_alone(tmp_path):
    data = stripes(tmp_path)
    right = scores_by_city(fabric.launch(recipe(), 7), Guess(), data, batch_size=2)
    assert set(right) == {"x"}
    assert right["x"] > 0.95
