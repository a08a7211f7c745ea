"""Miniatures of published data sets: few images in the layout, names, types, sizes and codes of each.

Each is written from the documentation that its function cites; what is in the images is invented.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import from_origin

SIDES = {
    "B01": 20, "B02": 120, "B03": 120, "B04": 120, "B05": 60, "B06": 60, "B07": 60, "B08": 120,
    "B8A": 60, "B09": 20, "B11": 60, "B12": 60,
}  # fmt: skip
"""Pixels of a side of each band of BigEarthNet."""
WORLDCOVER = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100)


def write_ben_ge(folder: Path, patches: int = 16) -> list[str]:
    """ben-ge-800: a folder for each Sentinel-2 patch with a file for each band, and WorldCover's codes.

    Names and types: https://github.com/HSG-AIML/ben-ge#data-modalities-and-products (patch_id and its rows
    in the meta data, ``_esaworldcover.tif`` of 8 bits); bands and sizes: Sumbul et al. 2019, section 2.
    """
    rng = np.random.default_rng(800)
    names = [f"S2A_MSIL2A_20170613T101031_{i // 4}_{40 + i % 4}" for i in range(patches)]
    levels = rng.integers(300, 5000, (len(WORLDCOVER), len(SIDES)))
    for i, name in enumerate(names):
        rows = (np.arange(120)[:, None] // 30 + np.arange(120)[None] // 40 + i) % len(WORLDCOVER)
        for k, (band, side) in enumerate(SIDES.items()):
            classes = rows[:: 120 // side, :: 120 // side]
            pixels = levels[classes, k] + rng.integers(0, 200, (side, side))
            tif(folder / f"sentinel-2/{name}/{name}_{band}.tif", pixels.astype(np.uint16), 1200 / side, i)
        codes = np.array(WORLDCOVER, np.uint8)[rows]
        codes[0, :3] = 0
        tif(folder / f"esaworldcover/{name}_esaworldcover.tif", codes, 10, i)
    order = [names[i] for i in rng.permutation(patches)]
    lines = [f"{name},S1A_IW_{i},2017-06-13T10:10:31" for i, name in enumerate(order)]
    (folder / "ben-ge-800_meta.csv").write_text(
        "\n".join(["patch_id,patch_id_s1,timestamp_s2", *lines]) + "\n"
    )
    return order


def write_landcover_ai(folder: Path) -> list[str]:
    """LandCover.ai after its split.py: pieces ``<sheet>_<number>.jpg`` of 512 px, masks ``…_m.png``, lists.

    Layout and values: https://landcover.ai.linuxpolska.com, Boguszewski et al. 2021 (arXiv:2005.02264).
    """
    names = [f"M-33-20-D-c-4-2_{i}" for i in range(4)]
    for i, name in enumerate(names):
        stripes(folder / f"output/{name}.jpg", folder / f"output/{name}_m.png", (512, 512), range(5), i)
    for split, own in {"train": names[:2], "val": names[2:3], "test": names[3:]}.items():
        (folder / f"{split}.txt").write_text("\n".join(own) + "\n")
    return names


def write_aeroscapes(folder: Path) -> list[str]:
    """AeroScapes: frames of 1280 × 720 px, masks of class numbers 0 to 11, two lists in ImageSets.

    Sizes, classes and lists: https://github.com/ishann/aeroscapes, https://github.com/dataset-ninja/aeroscapes.
    """
    names = [f"{sequence:06}_{frame:03}" for sequence in (1, 41004) for frame in (1, 2, 3)]
    for i, name in enumerate(names):
        image, mask = folder / f"JPEGImages/{name}.jpg", folder / f"SegmentationClass/{name}.png"
        stripes(image, mask, (720, 1280), range(12), i)
    (folder / "ImageSets").mkdir()
    (folder / "ImageSets/trn.txt").write_text("\n".join(names[:4]) + "\n")
    (folder / "ImageSets/val.txt").write_text("\n".join(names[4:]) + "\n")
    return names


MINIATURES: dict[str, tuple[str, Callable[[Path], list[str]]]] = {
    "ben_ge_800": ("ben-ge-800", write_ben_ge),
    "landcover_ai": ("landcover.ai", write_landcover_ai),
    "aeroscapes": ("aeroscapes", write_aeroscapes),
}
"""By the name of the recipe: the folder as it is unpacked, and what writes it."""


def tif(path: Path, pixels: np.ndarray, metres: float, place: int) -> None:
    """A GeoTIFF of one band in UTM, each place beside the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "driver": "GTiff",
        "count": 1,
        "height": len(pixels),
        "width": len(pixels[0]),
        "dtype": pixels.dtype,
    }
    placed = {
        "crs": "EPSG:32633",
        "transform": from_origin(300_000 + 1200 * place, 5_400_000, metres, metres),
    }
    with rasterio.open(path, "w", **profile, **placed) as out:
        out.write(pixels, 1)


def stripes(image: Path, mask: Path, shape: tuple[int, int], values: range, number: int) -> None:
    """A picture whose classes have a colour each, and its mask of their numbers."""
    rng = np.random.default_rng(11)
    palette = rng.integers(20, 235, (len(values), 3))
    bands = (
        np.arange(shape[0])[:, None] * len(values) // shape[0] + np.arange(shape[1])[None] // 300
    ) + number
    classes = bands % len(values)
    for path in (image, mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(-12, 12, (*shape, 3))
    Image.fromarray((palette[classes] + noise).astype(np.uint8)).save(image)
    Image.fromarray(np.array(values, np.uint8)[classes]).save(mask)
