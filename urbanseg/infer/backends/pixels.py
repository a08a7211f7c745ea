"""What an exported graph is fed with: the names of its ends, and pixels as it takes them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

INPUT, OUTPUT, CORES = "pixels", "probabilities", "cores"


def as_input(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Pixels of any dtype as float32, NaN as 0: as training saw them."""
    values: NDArray[np.float32] = np.ascontiguousarray(pixels, np.float32)
    return np.nan_to_num(values) if np.issubdtype(pixels.dtype, np.floating) else values
