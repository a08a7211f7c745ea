"""By how much the labels of a block lie beside the image, and labels moved to where the image has them.

Labels are compared with the soft prediction of a model that was not trained on the block: the shift
is taken at which they agree best. As in phase correlation, the agreement over shifts has a peak, whose
place is read off to parts of a pixel; unlike it, what is compared are classes, so that a
map needs no edges in the image. Blocks that tell little take their shift from those around them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from urbanseg.classes import IGNORE
from urbanseg.grid import Window
from urbanseg.labels.layers import LabelArray, Mask

Floats = NDArray[np.float64]

CELL_PX = 16
"""Side of the cells that tell how sure a shift is: errors farther apart count as independent."""
FLOOR = 0.02
"""Probabilities below are taken for this one, so that a wrong label weighs no more than a few right ones."""
LOOSE = 1e-6
"""Precision in px⁻² with which a shift of 0 is expected where nothing else tells."""
NEAR_PX = 1
"""Labels cross into a block whose own shift differs by no more than this, in whole pixels."""

_ROW, _COL = (axis.ravel() for axis in np.meshgrid([-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0], indexing="ij"))
_QUADRATIC = np.linalg.pinv(np.stack([np.ones(9), _ROW, _COL, _ROW**2 / 2, _COL**2 / 2, _ROW * _COL], axis=1))
"""Least-squares fit of a quadratic surface to 3 × 3 values: value, gradient, and second derivatives."""


class Shift(NamedTuple):
    """By how many pixels labels are to be moved, down and to the right, and how sure that is."""

    offset: Floats
    """``(2,)``, rows and columns in pixels."""
    precision: Floats
    """``(2, 2)``, inverse of the covariance, in px⁻²; 0 where nothing is known."""


def agreement(probabilities: NDArray[np.float32], labels: LabelArray, max_px: int) -> Floats:
    """How well labels agree with a soft prediction when they are moved, by cells of `CELL_PX`.

    The agreement is the sum over pixels of ``log(p / q)``: `p` is the probability of the label that
    comes to lie on the pixel, `q` the mean of that class's probability over the block. Ignored
    pixels count 0. All shifts are judged on the same pixels, those that no shift leaves without a label.

    Args:
        probabilities: ``(classes, height, width)``, 0–1.
        labels: ``(height, width)`` uint8, positions in the classes; others, as `IGNORE`, are unknown.
        max_px: farthest shift in pixels along each axis.

    Returns:
        ``(cells, 2 × max_px + 1, 2 × max_px + 1)`` by shift from ``-max_px``; no cell where the
        block is too small.
    """
    classes, height, width = probabilities.shape
    inner = height - 2 * max_px, width - 2 * max_px
    side = 2 * max_px + 1
    if min(inner) < 1:
        return np.zeros((0, side, side))
    mean = np.maximum(probabilities.mean(axis=(1, 2), keepdims=True), FLOOR)
    evidence = np.zeros((classes + 1, *inner), np.float32)  # the last row is of what is ignored
    inside = (slice(max_px, height - max_px), slice(max_px, width - max_px))
    evidence[:classes] = np.log(np.maximum(probabilities, FLOOR) / mean)[:, *inside]
    flat, pixel = evidence.ravel(), np.arange(inner[0] * inner[1]).reshape(inner)
    row_of = np.minimum(labels, classes).astype(np.intp) * pixel.size
    cuts = [np.arange(0, length, CELL_PX) for length in inner]
    surfaces = np.empty((len(cuts[0]) * len(cuts[1]), side, side))
    for down in range(side):
        for right in range(side):
            top, left = 2 * max_px - down, 2 * max_px - right
            there = row_of[top : top + inner[0], left : left + inner[1]]
            gained = flat[there + pixel].astype(np.float64)
            by_cell = np.add.reduceat(np.add.reduceat(gained, cuts[0], axis=0), cuts[1], axis=1)
            surfaces[:, down, right] = by_cell.ravel()
    return surfaces


def estimate(surfaces: Floats) -> Shift:
    """The shift of best agreement, to parts of a pixel, and its precision.

    The place of the peak is that of a quadratic surface through the best shift and its eight
    neighbours. Its covariance is the sandwich estimate ``H⁻¹ J H⁻¹`` (White 1982, "Maximum
    likelihood estimation of misspecified models"), H being the curvature of the sum and J the sum over
    cells of the squared gradients: neighbouring pixels are right and wrong together.

    Args:
        surfaces: from `agreement`.

    Returns:
        The shift; of precision 0 if the peak lies on the rim of what was looked for, or is none.
    """
    unknown = Shift(np.zeros(2), np.zeros((2, 2)))
    whole, side = surfaces.sum(axis=0), surfaces.shape[-1]
    row, col = (int(i) for i in np.unravel_index(int(whole.argmax()), whole.shape))
    if not (0 < row < side - 1 and 0 < col < side - 1) or not whole.any():
        return unknown
    around = surfaces[:, row - 1 : row + 2, col - 1 : col + 2].reshape(len(surfaces), 9)
    fits = around @ _QUADRATIC.T
    _, down, right, rows, cols, both = fits.sum(axis=0)
    curvature = -np.array([[rows, both], [both, cols]])
    if np.linalg.eigvalsh(curvature)[0] <= 0:
        return unknown
    offset = np.clip(np.linalg.solve(curvature, [down, right]), -1, 1)
    gradients = fits[:, 1:3] - fits[:, 1:3].mean(axis=0)
    scatter = gradients.T @ gradients + np.eye(2) * (1e-9 + 1e-3 * np.trace(curvature))
    precision = curvature @ np.linalg.solve(scatter, curvature)
    middle = side // 2
    return Shift(np.add(offset, [row - middle, col - middle]), (precision + precision.T) / 2)


def smooth(
    shifts: Sequence[Shift], pairs: Sequence[tuple[int, int]], spread_px: float, max_px: float
) -> Floats:
    """The most likely shifts of all blocks, if those of neighbours are alike.

    A Gaussian Markov random field (Rue & Held 2005, chapter 2): each block's own estimate counts by its
    precision, and the difference of two neighbours is normal with the standard deviation `spread_px`.

    Args:
        shifts: of the blocks.
        pairs: neighbouring blocks, as indices into `shifts`.
        spread_px: by how much the shifts of neighbours differ, typically.
        max_px: bound of the result along each axis.

    Returns:
        ``(blocks, 2)``, rows and columns in pixels.
    """
    count = len(shifts)
    if not count:
        return np.zeros((0, 2))
    first, second = np.asarray(pairs, np.intp).reshape(-1, 2).T
    bond = np.full(len(first), spread_px**-2.0)
    size = (count, count)
    bonds = sparse.coo_array((bond, (first, second)), size) + sparse.coo_array((bond, (second, first)), size)
    field = sparse.diags_array(np.asarray(bonds.sum(axis=0)).ravel() + LOOSE) - bonds
    own = sparse.block_diag([shift.precision for shift in shifts])
    wanted = np.concatenate([shift.precision @ shift.offset for shift in shifts])
    solved = spsolve(sparse.csc_array(own + sparse.kron(field, np.eye(2))), wanted)
    result: Floats = np.clip(np.asarray(solved, np.float64).reshape(count, 2), -max_px, max_px)
    return result


def move(around: LabelArray, usable: Mask, core: Window, shift: tuple[int, int]) -> LabelArray:
    """The labels of a block, moved; what would come from where it may not is ignored.

    Pixels that were ignored stay so: clouds and nodata belong to the image, which does not move.

    Args:
        around: ``(height, width)`` uint8, labels of the block and of pixels around it.
        usable: which of them may come to lie in the block.
        core: where the block lies in them.
        shift: whole pixels down and to the right.

    Returns:
        ``(core.height, core.width)`` uint8.
    """
    rows = np.arange(core.row, core.row + core.height) - shift[0]
    cols = np.arange(core.col, core.col + core.width) - shift[1]
    inside = np.ix_((rows >= 0) & (rows < around.shape[0]), (cols >= 0) & (cols < around.shape[1]))
    result = np.full((core.height, core.width), IGNORE, np.uint8)
    source = np.where(usable, around, np.uint8(IGNORE))
    result[inside] = source[
        np.ix_(rows[(rows >= 0) & (rows < around.shape[0])], cols[(cols >= 0) & (cols < around.shape[1])])
    ]
    result[around[core.slices] == IGNORE] = IGNORE
    return result


def whole_px(offset: Floats) -> tuple[int, int]:
    """A shift in whole pixels, halves away from zero."""
    down, right = (int(np.sign(value) * np.floor(abs(value) + 0.5)) for value in offset)
    return down, right
