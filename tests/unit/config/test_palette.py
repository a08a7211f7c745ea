"""The class colours of params.yaml stay apart for people who see colours differently.

Dichromacy is simulated in linear RGB by the matrices of Machado et al. 2009, "A Physiologically-based
Model for Simulation of Color Vision Deficiency" (severity 1); colours are compared by CIEDE2000.
"""

from itertools import combinations

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from tests.conftest import ROOT
from urbanseg.config.overlay import overlaid

LEAST = 20.0
"""Of CIEDE2000: ten times what the eye tells apart side by side, for thin outlines and far-off legends."""
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
}


def seen(colors: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Colours ``(n, 3)`` of 0–1 in sRGB, as seen with cones that `matrix` stands for."""
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    mixed = np.clip(linear @ np.transpose(matrix), 0, 1)
    return np.where(mixed <= 0.0031308, mixed * 12.92, 1.055 * mixed ** (1 / 2.4) - 0.055)


def distances(colors: dict[str, str], vision: str) -> dict[tuple[str, str], float]:
    rgb = np.array([list(bytes.fromhex(color.removeprefix("#"))) for color in colors.values()]) / 255
    lab = dict(zip(colors, rgb2lab(seen(rgb, VISION[vision])), strict=True))
    return {(a, b): float(deltaE_ciede2000(lab[a], lab[b])) for a, b in combinations(colors, 2)}


def colors_of(path: str) -> dict[str, str]:
    classes = yaml.safe_load((ROOT / path).read_text())["classes"]
    return {name: values["color"] for name, values in classes.items()}


@pytest.mark.parametrize("vision", VISION)
def test_every_two_class_colours_can_be_told_apart(vision: str) -> None:
    found = distances(colors_of("params.yaml"), vision)
    assert len(found) == 15
    assert {pair: round(d, 1) for pair, d in found.items() if d < LEAST} == {}


def test_the_check_finds_the_two_greys_of_the_first_palette() -> None:
    first = colors_of("params/first_colors.yaml")
    assert distances(first, "normal")["other", "road"] < LEAST
    assert min(distances(first, "protanopia").values()) < LEAST / 2


def test_the_first_colours_can_be_put_in() -> None:
    text = overlaid((ROOT / "params.yaml").read_text(), (ROOT / "params/first_colors.yaml").read_text())
    assert {name: c["color"] for name, c in yaml.safe_load(text)["classes"].items()} == colors_of(
        "params/first_colors.yaml"
    )
