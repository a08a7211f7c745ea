"""Miniatures of published data sets: few images in the layout, names, types, sizes and codes of each.

Each is written from the documentation that its function cites; what is in the images is invented.
"""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning
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


LANDCOVERNET_BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")


def write_landcovernet(folder: Path) -> list[str]:
    """LandCoverNet: a folder for each chip and date, a file for each band, SCL and CLD; labels of two bands.

    Names of folders and files, and the second band, the consensus score: the items of
    https://doi.org/10.34911/rdnt.d2ce8i; classes: Alemohammad and Booth 2020, section 2; 0 is unknown.
    """
    rng = np.random.default_rng(256)
    levels = rng.integers(300, 5000, (8, len(LANDCOVERNET_BANDS)))
    places = [(tile, chip) for tile in ("28QDE", "29PKL", "36MWU", "37NBA") for chip in ("00", "10")]
    for i, (tile, chip) in enumerate(places):
        classes = (np.arange(256)[:, None] // 32 + np.arange(256)[None] // 64 + i) % 7 + 1
        label = (
            folder / f"ref_landcovernet_af_v1_labels/ref_landcovernet_af_v1_labels_{tile}_{chip}/labels.tif"
        )
        known = classes.copy()
        known[:5] = 0
        tif(label, np.stack([known, np.full((256, 256), 67)]).astype(np.uint8), 10, i)
        for number, date in enumerate(("20180104", "20180218", "20180530")):
            source = "ref_landcovernet_af_v1_source_sentinel_2"
            own = folder / f"{source}/{source}_{tile}_{chip}_{date}"
            scl = np.full((256, 256), 4)
            scl[: (0, 20, 200)[number]] = 9
            for k, band in enumerate(LANDCOVERNET_BANDS):
                pixels = np.where(scl == 9, 9000, levels[classes, k]) + rng.integers(0, 200, (256, 256))
                tif(own / f"{band}.tif", pixels.astype(np.uint16), 10, i)
            tif(own / "SCL.tif", scl.astype(np.uint8), 10, i)
            tif(own / "CLD.tif", np.where(scl == 9, 90, 2).astype(np.uint8), 10, i)
    return [f"{tile}/{chip}" for tile, chip in places]


def write_ghana(folder: Path) -> list[str]:
    """Crop types of Ghana: 64 px without a georeference, S2 of ten bands with clouds, S1 of other dates.

    Names: the items of the collections su_african_crops_ghana_*; sizes, bands, values of crops and clouds:
    Rustowicz et al. 2019, section 3, and https://github.com/roserustowicz/crop-type-mapping.
    """
    rng = np.random.default_rng(64)
    names = [f"{number:06}" for number in range(8)]
    optical, radar = rng.integers(500, 6000, (25, 10)), rng.normal(-12, 4, (25, 2))
    for i, name in enumerate(names):
        crops = np.array([1, 2, 3, 4, 7, 24])[(np.arange(64)[:, None] // 16 + i) % 6].repeat(64, axis=1)
        label = crops.copy()
        label[:, :20] = 0
        start = folder / "su_african_crops_ghana_labels" / f"su_african_crops_ghana_labels_{name}"
        tif(start / "labels.tif", label.astype(np.uint8))
        for number, date in enumerate(("2016_01_13", "2016_05_02", "2016_11_28")):
            start = (
                folder
                / "su_african_crops_ghana_source_s2"
                / f"su_african_crops_ghana_source_s2_{name}_{date}"
            )
            clouds = np.zeros((64, 64), np.uint8)
            clouds[: 20 * number] = (0, 1, 3)[number]
            pixels = (
                optical[crops].transpose(2, 0, 1) + 3000 * (clouds > 0) + rng.integers(0, 300, (10, 64, 64))
            )
            tif(start / "source.tif", pixels.astype(np.uint16))
            tif(start / "cloudmask.tif", clouds)
        for date in ("2016_01_07", "2016_11_20"):
            start = (
                folder
                / "su_african_crops_ghana_source_s1"
                / f"su_african_crops_ghana_source_s1_{name}_{date}"
            )
            pixels = radar[crops].transpose(2, 0, 1) + rng.normal(0, 1, (2, 64, 64))
            tif(start / "source.tif", pixels.astype(np.float32))
    return names


DRONE_COLORS = (
    "000000", "804080", "824c00", "006600", "706757", "1c2aa8", "30291e", "003259", "6b8e23", "464646",
    "66669c", "fee40c", "fe940c", "be9999", "999999", "ff1660", "663300", "098f96", "770b20", "333300",
    "befabe", "709692", "028773", "ff0000",
)  # fmt: skip
"""class_dict.csv of the Semantic Drone Dataset, in its order."""


def write_semantic_drone(folder: Path) -> list[str]:
    """Semantic Drone Dataset: training_set with images of 6000 × 4000 px and masks of 24 colours.

    Folders, colours and sizes: https://www.tugraz.at/index.php?id=22387,
    https://github.com/dataset-ninja/semantic-drone.
    """
    names = ["000", "001", "002", "003"]
    for i, name in enumerate(names):
        image = folder / f"training_set/images/{name}.jpg"
        mask = folder / f"training_set/gt/semantic/label_images/{name}.png"
        stripes(image, mask, (4000, 6000), DRONE_COLORS, i)
    return names


DEEPGLOBE_COLORS = ("00ffff", "ffff00", "ff00ff", "00ff00", "0000ff", "ffffff", "000000")


def write_deepglobe(folder: Path) -> list[str]:
    """DeepGlobe Land Cover: images of 2448 px and masks of seven colours, not all of them pure.

    Sizes and colours: Demir et al. 2018, section 3.3; names and the halving at 128: the read-me of the data.
    """
    names = ["119", "606", "2334", "10452"]
    for i, name in enumerate(names):
        image, mask = folder / f"train/{name}_sat.jpg", folder / f"train/{name}_mask.png"
        stripes(image, mask, (2448, 2448), DEEPGLOBE_COLORS, i)
        pixels = np.array(Image.open(mask))
        pixels[100:120] = np.where(pixels[100:120] > 0, 250, 4)
        Image.fromarray(pixels).save(mask)
    return names


def write_cityscapes(folder: Path) -> list[str]:
    """CityScapes: frames of 2048 × 1024 px by split and city, and label ids 0 to 33, none public for test.

    Names and ids: https://github.com/mcordts/cityscapesScripts, its README and helpers/labels.py.
    """
    cities = {"train": ("aachen", "zurich"), "val": ("frankfurt",), "test": ("berlin",)}
    frames = [
        f"{split}/{city}/{city}_{number:06}_000019"
        for split, own in cities.items()
        for city in own
        for number in range(3)
    ]
    for i, frame in enumerate(frames):
        image, mask = f"leftImg8bit/{frame}_leftImg8bit.png", f"gtFine/{frame}_gtFine_labelIds.png"
        values = [3] if frame.startswith("test") else range(34)
        stripes(folder / image, folder / mask, (1024, 2048), values, i)
    return frames


MINIATURES: dict[str, tuple[str, Callable[[Path], list[str]]]] = {
    "ben_ge_800": ("ben-ge-800", write_ben_ge),
    "landcover_ai": ("landcover.ai", write_landcover_ai),
    "aeroscapes": ("aeroscapes", write_aeroscapes),
    "aeroscapes_six": ("aeroscapes", write_aeroscapes),
    "aeroscapes_vegetation": ("aeroscapes", write_aeroscapes),
    "landcovernet": ("landcovernet", write_landcovernet),
    "ghana_crops": ("ghana", write_ghana),
    "semantic_drone": ("semantic_drone_dataset", write_semantic_drone),
    "semantic_drone_three": ("semantic_drone_dataset", write_semantic_drone),
    "deepglobe": ("deepglobe", write_deepglobe),
    "cityscapes": ("cityscapes", write_cityscapes),
}
"""By the name of the recipe: the folder as it is unpacked, and what writes it."""


def tif(path: Path, pixels: np.ndarray, metres: float | None = None, place: int = 0) -> None:
    """A GeoTIFF of ``(height, width)`` or ``(bands, height, width)`` in UTM, places side by side.

    Without `metres` it has no georeference.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = pixels[None] if pixels.ndim == 2 else pixels
    profile = {
        "driver": "GTiff",
        "count": len(bands),
        "height": bands.shape[1],
        "width": bands.shape[2],
        "dtype": bands.dtype,
    }
    placed = {}
    if metres is not None:
        origin = from_origin(300_000 + 1200 * place, 5_400_000, metres, metres)
        placed = {"crs": "EPSG:32633", "transform": origin}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **profile, **placed) as out:
            out.write(bands)


def stripes(
    image: Path, mask: Path, shape: tuple[int, int], values: Sequence[int] | Sequence[str], number: int
) -> None:
    """A picture whose classes have a colour each, and its mask of their numbers or colours (``rrggbb``)."""
    rng = np.random.default_rng(11)
    palette = rng.integers(20, 235, (len(values), 3))
    bands = (
        np.arange(shape[0])[:, None] * len(values) // shape[0] + np.arange(shape[1])[None] // 300
    ) + number
    classes = bands % len(values)
    for path in (image, mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(-12, 12, (*shape, 3), dtype=np.int16)
    Image.fromarray((palette[classes].astype(np.int16) + noise).astype(np.uint8)).save(image)
    table = [list(bytes.fromhex(value)) if isinstance(value, str) else value for value in values]
    Image.fromarray(np.array(table, np.uint8)[classes]).save(mask, compress_level=1)
