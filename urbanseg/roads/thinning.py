"""Thinning of a mask to its skeleton, strip by strip.

In each pass of Zhang and Suen's thinning a pixel goes or stays by its eight neighbours alone, so after
some passes a strip is right where its halo has as many rows. All strips are brought forward by the same
number of passes, again and again, until nothing changes: the skeleton is that of the whole mask,
pixel by pixel, whatever the height of the strips. Only one strip is in memory; the others are
compressed, and roads compress well.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg.grid import BLOCK_PX, Window, strips

ReadMask = Callable[[Window], NDArray[np.bool_]]
"""A window of a mask, ``(height, width)`` bool."""

PASSES = 32
"""How many passes strips are brought forward at once, an even number; also the rows of their halo."""

AROUND = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
"""Steps, in rows and columns, to the neighbours of a pixel; the position is a bit of `GOES`."""

DIFFERS = {
    0: (48, 129),
    1: (3, 6, 11, 12, 14, 131, 134, 161, 194, 198),
    2: (24, 26, 56, 96, 104, 108, 176, 192, 224),
    3: (10, 40, 130, 160),
}
"""Where scikit-image's thinning has another value of `GOES` than Zhang and Suen's conditions give: it keeps
lines of two pixels' width, and takes corners of lines away. Its skeleton is made here, too."""


def _removals() -> NDArray[np.uint8]:
    """``(256,)`` by neighbourhood: bit 0 if the pixel goes in odd passes, bit 1 if in even ones."""
    goes = np.zeros(256, np.uint8)
    for code in range(256):
        upper_left, up, upper_right, right, lower_right, down, lower_left, left = (
            code >> bit & 1 for bit in range(8)
        )
        ring = [up, upper_right, right, lower_right, down, lower_left, left, upper_left]
        begins = sum(a < b for a, b in zip(ring, ring[1:] + ring[:1], strict=True))
        if 2 <= sum(ring) <= 6 and begins == 1:
            first = not (up and right and down) and not (right and down and left)
            second = not (up and right and left) and not (up and down and left)
            goes[code] = first + 2 * second
    for value, codes in DIFFERS.items():
        goes[list(codes)] = value
    return goes


GOES = _removals()


def skeleton_pixels(read: ReadMask, shape: tuple[int, int], rows: int = BLOCK_PX) -> NDArray[np.int64]:
    """Pixels of the skeleton of a mask, the same as those of scikit-image's ``skeletonize``.

    Args:
        read: the mask by windows; each is read once, with a halo.
        shape: ``(height, width)`` of the mask.
        rows: height of a strip; the result is the same for any.

    Returns:
        ``(n,)`` int64, ascending: row × width + column.
    """
    laid = list(strips(shape, rows))
    reach = -(-PASSES // rows)  # strips that a halo reaches into
    state: dict[int, bytes] = {}
    waiting = list(range(len(laid)))
    while waiting:
        advanced, changing = {}, set()
        for i in waiting:
            grown, core = laid[i].grown(PASSES, shape)
            mask = _rows(state, laid, grown) if state else read(grown)
            pixels, is_changing = _thin(mask, slice(core.row, core.row + core.height))
            advanced[i] = zlib.compress(np.packbits(pixels).tobytes(), 1)
            if is_changing:
                changing.add(i)
        state.update(advanced)
        waiting = [i for i in range(len(laid)) if changing.intersection(range(i - reach, i + reach + 1))]
    found = [np.flatnonzero(_rows(state, laid, strip)) + strip.row * shape[1] for strip in laid]
    return np.concatenate([np.empty(0, np.int64), *found])


def _rows(state: Mapping[int, bytes], laid: Sequence[Window], wanted: Window) -> NDArray[np.uint8]:
    """The pixels of full-width rows, ``(height, width)``, 0 or 1, from the compressed strips."""
    first, last = (row // laid[0].height for row in (wanted.row, wanted.row + wanted.height - 1))
    parts = []
    for i in range(first, last + 1):
        bits = np.unpackbits(
            np.frombuffer(zlib.decompress(state[i]), np.uint8), count=laid[i].height * laid[i].width
        )
        parts.append(bits.reshape(laid[i].height, laid[i].width))
    top = wanted.row - laid[first].row
    return np.concatenate(parts)[top : top + wanted.height]


def _thin(mask: NDArray[Any], core: slice) -> tuple[NDArray[np.uint8], bool]:
    """Rows of a mask after `PASSES` passes, and whether the last two changed them.

    After the first two passes only neighbours of pixels that have just gone can go.

    Args:
        mask: ``(height, width)``, 0 or 1.
        core: the rows wanted.
    """
    padded = np.pad(mask, 1).astype(np.uint8)
    on, width = padded.ravel(), padded.shape[1]  # a view
    steps = np.array([down * width + across for down, across in AROUND])
    gone = np.empty(0, np.int64)
    everywhere = looked_at = np.flatnonzero(on)
    for number in range(PASSES):
        code = np.zeros(len(looked_at), np.uint8)
        for bit, step in enumerate(steps):
            code |= on[looked_at + step] << bit
        before, gone = gone, looked_at[(GOES[code] >> (number % 2) & 1) > 0]
        on[gone] = 0
        last = np.concatenate([before, gone])
        if number == 0:
            looked_at = everywhere[on[everywhere] > 0]
        elif len(last):
            near = (last[:, np.newaxis] + steps).ravel()
            near = np.sort(near[on[near] > 0])
            looked_at = near[np.diff(near, prepend=-1) > 0]
        else:
            break
    rows = last // width - 1
    return padded[1:-1, 1:-1][core], bool(((rows >= core.start) & (rows < core.stop)).any())
