"""Which files are one image: a file each, or the bands of a scene in a file each, and masks beside them.

Files are bands of one scene if their names differ by the name of a band alone (``B02``, ``nir``,
``SR_B4``), each holds one band, and all cover the same area.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from urbanseg.config.addresses import address
from urbanseg.errors import PipelineError
from urbanseg.grid import Grid
from urbanseg.io import raster
from urbanseg.io.image_sheet import PLACEHOLDER_CRS

log = logging.getLogger(__name__)

SUFFIXES = (".tif", ".tiff", ".jp2", ".jpg", ".jpeg", ".png", ".webp", ".img", ".bmp", ".gif", ".vrt")
"""Endings of the images that are looked for in a folder."""

MASKS = {"scl": "scl", "fmask": "fmask", "udm2": "udm2", "qa_pixel": "qa_pixel"}
"""Kinds of masks by the words that end their files' names."""

BAND = (
    r"(?:SR_)?B\d{1,2}A?|Band[ _-]?\d{1,2}|coastal|blue|green|red|nir\d{0,2}|rededge\d*|swir\d{0,2}|"
    r"QA_PIXEL|SCL|Fmask|udm2"
)
ARCHIVES = {
    b"PK\x03\x04": "zip", b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!": "rar", b"\x1f\x8b": "gzip", b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
}  # fmt: skip
"""How files begin that hold other files (the magic numbers of ``file``)."""
TAR = slice(257, 262), b"ustar"

NAME = re.compile(
    rf"(?P<before>(?:.*?[_.\- ])?)(?P<band>{BAND})(?P<after>(?:[_.\-](?:\d{{2,3}}m|clip))*)", re.IGNORECASE
)
"""A stem that ends with the name of a band."""


@dataclass(frozen=True)
class Source:
    """The files of one image."""

    name: str
    files: tuple[Path, ...]
    mask: tuple[str, Path] | None = None
    """Kind, of `MASKS`, and file of the mask that lies beside."""
    codes: tuple[str, ...] = ()
    """What the name of each file says that its band is; empty for one file with all bands."""

    @property
    def label(self) -> str:
        """The name of the image, with its ending if it is one file."""
        return self.files[0].name if len(self.files) == 1 else self.name


def stem(path: Path) -> str:
    """The name of a file, or of that at an address, without its ending."""
    url = address(path)
    return PurePosixPath(urlsplit(url).path).stem if url else path.stem


def gather(sources: Sequence[Path], *, numbered: bool = False) -> list[Source]:
    """Images among files, folders and addresses.

    Args:
        sources: as they are given; a folder stands for the images in it.
        numbered: whether bands are given by numbers, which count through all bands of a scene, so that
            files of single bands need no names to be one scene.

    Returns:
        At least one image, in the order of their first files.

    Raises:
        PipelineError: if there is none, or if files seem to be bands of one scene but cover different areas.
    """
    files = list(dict.fromkeys(file for source in sources for file in _expanded(source)))
    masks = [file for file in files if _mask_kind(file)]
    images = [file for file in files if file not in masks]
    if not images:
        raise PipelineError(f"{', '.join(map(str, sources))}: this is a mask, not an image; name the image")
    if numbered and len(images) > 1 and all(_band_count(file) == 1 for file in images):
        _require_one_footprint(images)
        return [Source(stem(images[0]), tuple(images), _mask(images, masks), tuple(map(stem, images)))]
    groups: dict[tuple[str, ...], list[Path]] = {}
    for file in images:
        parts = NAME.fullmatch(stem(file))
        is_band = parts is not None and _band_count(file) == 1
        key = (str(_folder(file)), parts["before"], _clip(parts)) if parts and is_band else (str(file),)
        groups.setdefault(key, []).append(file)
    return [_source(key, group, masks) for key, group in groups.items()]


def _source(key: tuple[str, ...], group: list[Path], masks: Sequence[Path]) -> Source:
    if len(group) == 1 and len(key) == 1:
        return Source(stem(group[0]), (group[0],), _mask(group, masks))
    finest: dict[str, Path] = {}
    for file in sorted(group, key=_pixel):
        finest.setdefault(_code(file), file)
    files = [file for file in group if file in finest.values()]
    name = key[1].rstrip("_.- ") or Path(key[0]).name
    if len(files) > 1:
        _require_one_footprint(files)
        log.info(
            "%s: %d files are bands of one scene (%s), as their names say and as they cover the same area",
            name, len(files), ", ".join(finest),
        )  # fmt: skip
    return Source(name, tuple(files), _mask(files, masks), tuple(map(_code, files)))


def _expanded(source: Path) -> list[Path]:
    if address(source) or not source.is_dir():
        _require_unpacked(source)
        return [source]
    inside = sorted(source.rglob("IMG_DATA/**/*.jp2") if source.suffix == ".SAFE" else source.iterdir())
    found = [file for file in inside if file.suffix.lower() in SUFFIXES and file.is_file()]
    if source.suffix == ".SAFE":
        found = [file for file in found if not re.search(r"_(TCI|AOT|WVP)(_|$)", file.stem)]
    if not found:
        raise PipelineError(
            f"{source} holds no image ({', '.join(SUFFIXES)}); name another folder, or the files themselves"
        )
    return found


def _require_unpacked(source: Path) -> None:
    """Refuse an archive, by how it begins and not by its name.

    Raises:
        PipelineError: saying what kind of archive it is.
    """
    if address(source) or not source.is_file():
        return  # what is wrong with it, is said where it is opened
    with source.open("rb") as file:
        head = file.read(TAR[0].stop)
    kind = next((kind for start, kind in ARCHIVES.items() if head.startswith(start)), None)
    if kind or head[TAR[0]] == TAR[1]:
        raise PipelineError(
            f"{source} is an archive ({kind or 'tar'}), not an image; unpack it, and name the image in it"
        )


def _folder(file: Path) -> Path:
    """The folder of a file; of Sentinel-2's folders by pixel size, the one above."""
    return file.parent.parent if re.fullmatch(r"R\d0m", file.parent.name) else file.parent


def _code(file: Path) -> str:
    parts = NAME.fullmatch(stem(file))
    return re.sub(r"^sr_", "", parts["band"].lower()) if parts else ""


def _clip(parts: re.Match[str]) -> str:
    """What follows the name of the band, but for the pixel size."""
    return re.sub(r"[_.\-]\d{2,3}m", "", parts["after"]).lower()


def _mask_kind(file: Path) -> str | None:
    return MASKS.get(_code(file))


def _grid(file: Path) -> Grid:
    return _info(file).grid


def _info(file: Path) -> raster.RasterInfo:
    with raster.reading(file, PLACEHOLDER_CRS, gcps=True) as image:
        return image.info


def _band_count(file: Path) -> int:
    return _info(file).count


def _pixel(file: Path) -> float:
    return _grid(file).resolution


def _require_one_footprint(files: Sequence[Path]) -> None:
    first = _grid(files[0])
    for file in files[1:]:
        if not same_footprint(first, _grid(file)):
            raise PipelineError(
                f"{files[0]} and {file} look like bands of one scene, but cover different areas or have "
                "different coordinate reference systems; warp them to one area, or map them one by one"
            )


def same_footprint(one: Grid, other: Grid) -> bool:
    """Whether two rasters cover the same area, to a pixel of the coarser."""
    tolerance = max(one.resolution, other.resolution)
    return one.crs == other.crs and all(
        abs(a - b) <= tolerance for a, b in zip(one.bounds, other.bounds, strict=True)
    )


def _mask(files: Sequence[Path], given: Sequence[Path]) -> tuple[str, Path] | None:
    """The mask of an image: among those given, or beside its first file."""
    beside = [] if address(files[0]) else sorted(files[0].parent.glob("*"))
    grid = None
    for file in [*given, *(f for f in beside if f.suffix.lower() in SUFFIXES and f not in given)]:
        kind, parts = _mask_kind(file), NAME.fullmatch(stem(file))
        if kind is None or parts is None or file in files:
            continue
        before = parts["before"].rstrip("_.- ")
        if before and not re.match(rf"{re.escape(before)}(?![0-9A-Za-z])", stem(files[0])):
            continue
        grid = grid or _grid(files[0])
        if before or same_footprint(grid, _grid(file)):
            return kind, file
    return None
