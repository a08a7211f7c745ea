"""Area accuracy: mapped against reference area of each class.

The mapped area is biased wherever omission and commission differ; the ratio gives the bias
on the test pixels. See Olofsson et al. 2014, "Good practices for estimating area and
assessing accuracy of land change".
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HECTARE_M2 = 10_000.0


@dataclass(frozen=True)
class Areas:
    """Area of each class on the test pixels, ``(classes,)`` float64.

    `ratio` is predicted over reference, `error` is (predicted − reference) / reference;
    both are NaN for classes that the reference lacks.
    """

    reference_ha: NDArray[np.float64]
    predicted_ha: NDArray[np.float64]
    ratio: NDArray[np.float64]
    error: NDArray[np.float64]


def areas(matrix: NDArray[np.int64], pixel_area_m2: float) -> Areas:
    """Areas from the confusion matrix, ``(n, n)`` int64 with rows for the reference."""
    reference = matrix.sum(axis=1) * pixel_area_m2 / HECTARE_M2
    predicted = matrix.sum(axis=0) * pixel_area_m2 / HECTARE_M2
    known = np.where(reference > 0, reference, np.nan)
    return Areas(reference, predicted, predicted / known, (predicted - reference) / known)
