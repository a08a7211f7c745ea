"""Which band of which file is each band of the model, however the files say it.

By `--bands`, else, in this order: by descriptions, by metadata of bands (common names, wavelengths), by
the names of files that hold a band each, by colours, and by the layout of a known product. A band that
one way names is not taken for another by a later way.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rasterio.enums import ColorInterp

from urbanseg.errors import PipelineError
from urbanseg.infer.images import common_name, wanted_bands
from urbanseg.io.raster import Reader
from urbanseg.model.spec import Spec
from urbanseg.workflows.model_input import band_errors
from urbanseg.workflows.model_input.products import BY_PIXEL_SIZE, BY_WAVELENGTH, SENTINEL2, Product

WORDS = {
    "coastal", "blue", "green", "red", "nir", "nir08", "nir09", "swir16", "swir22", "yellow", "alpha",
    "rededge", "rededge071", "rededge075", "rededge078", "scl",
}  # fmt: skip
"""Common names that a longer text may hold."""

CODES = {f"b{number:02}" for number in range(1, 13)} | {"b8a"}
"""Sentinel-2's names of bands."""

WAVELENGTHS = {"blue": (490, 40), "green": (560, 35), "red": (665, 30), "nir": (842, 50), "nir08": (865, 22),
               "swir16": (1610, 90), "swir22": (2200, 110)}  # fmt: skip
"""Centre of a band in nanometres, and how far another may be from it."""

PLACEHOLDER = re.compile(r"(?:band|layer|lyr|channel|b)?[ _.#-]*(\d+)", re.IGNORECASE)
"""Descriptions that say nothing if they count the bands."""

ITEMS = ("eo", "common_name", "bandname", "band_name", "name", "long_name", "description")
"""Metadata items of a band that hold its name, in lower case; GDAL cuts ``eo:common_name`` at the colon."""

FOUND = {"description": "by its description", "metadata": "by its metadata", "file": "by the file's name",
         "colour": "as its colour is declared", "layout": "by the order of {}"}  # fmt: skip


class BandAt(NamedTuple):
    """Where a band is: the position of its file, its number there (from 1), and how it was found."""

    file: int
    number: int
    how: str


def find(
    images: Sequence[Reader],
    spec: Spec,
    *,
    codes: Sequence[str] = (),
    product: Product | None = None,
    named: Mapping[str, int] | None = None,
) -> list[BandAt]:
    """Where each band of a model is among the bands of an image.

    Args:
        images: the open files of the image.
        spec: of the model.
        codes: what the name of each file says that its band is, if they hold a band each.
        product: that the files are of, if it is known.
        named: numbers of bands by name, counted through all files; None to look for them.

    Returns:
        A place for each band of the model, in its order.

    Raises:
        PipelineError: if one is missing.
    """
    found = by_name(images, codes=codes, product=product, named=named)
    wanted = wanted_bands(spec)
    if missing := [own for own, name in wanted.items() if name not in found]:
        raise PipelineError(band_errors.missing(images, spec, missing, codes))
    places = [found[name] for name in wanted.values()]
    if named is None:
        _require_once(images, places, wanted, product)
    for place in places:
        image = images[place.file]
        if (dtype := image.info.dtypes[place.number - 1]).startswith("complex"):
            raise PipelineError(f"{image.path} holds {dtype} values; convert them to real numbers")
    return places


def by_name(
    images: Sequence[Reader],
    *,
    codes: Sequence[str] = (),
    product: Product | None = None,
    named: Mapping[str, int] | None = None,
) -> dict[str, BandAt]:
    """Where each band of an image is, by its common name, as far as that can be told; see `find`.

    Raises:
        PipelineError: if there is no band of a number in `named`.
    """
    every = [(file, number) for file, image in enumerate(images) for number in image.dataset.indexes]
    found = _given(named, every, images) if named is not None else _looked_for(images, codes, product)
    if "nir" not in found and "nir08" in found:
        found["nir"] = found["nir08"]._replace(how="the narrow near infrared in its place")
    return found


def band_named(image: Reader, name: str) -> int | None:
    """The number of the first band that is described by a common name; None if there is none."""
    names = [known_as(text, {}) for text in image.info.descriptions]
    return names.index(name) + 1 if name in names else None


def known_as(text: str, codes: Mapping[str, str]) -> str:
    """The common name that a description holds: of ``B2, central wavelength 490 nm`` it is ``blue``.

    Args:
        text: the description.
        codes: common names by codes, where they aren't Sentinel-2's.

    Returns:
        The text in lower case if it holds no name that is known, or several.
    """
    strict = _by_code(text, codes)
    if strict in WORDS:
        return strict
    plain = re.sub(r"near[\s_-]*infra[\s_-]*red|near[\s_-]*ir\b", "nir", text.lower())
    plain = re.sub(r"red[\s_-]*edge", "rededge", plain)
    plain = re.sub(r"\bband[\s_-]*(\d)", r"b\1", plain)
    tokens = [token for token in re.split(r"[^a-z0-9]+", plain) if token]
    words = {token for token in tokens if token in WORDS}
    if len(words) > 1 and "coastal" in words:
        words = {"coastal"}
    padded = {re.sub(r"^b(\d)$", r"b0\1", token) for token in tokens}
    numbers = {_by_code(token, codes) for token in padded if token in CODES or token in codes}
    names = words or numbers
    return names.pop() if len(names) == 1 else strict


def _require_once(
    images: Sequence[Reader], places: Sequence[BandAt], wanted: Mapping[str, str], product: Product | None
) -> None:
    """Refuse an image with two bands of the same description, of which the model wants one."""
    names = [
        _by_code(text, product.codes if product else {})
        for image in images
        for text in image.info.descriptions
    ]
    for name, place in zip(wanted.values(), places, strict=True):
        if place.how == FOUND["description"] and names.count(name) > 1:
            example = ",".join(f"{own}={i}" for i, own in enumerate(wanted, 1))
            raise PipelineError(
                f"{images[place.file].path} has {names.count(name)} bands that are called {name}; say which "
                f"one is meant with --bands, such as --bands {example}"
            )


def _by_code(text: str, codes: Mapping[str, str]) -> str:
    plain = re.sub(r"^b(?:and)?[\s_-]*(\d)$", r"b0\1", text.strip().lower())
    plain = re.sub(r"^band[\s_-]*(\d\d?a?)$", r"b\1", plain)
    return codes.get(plain) or common_name(plain)


def _given(
    named: Mapping[str, int], every: Sequence[tuple[int, int]], images: Sequence[Reader]
) -> dict[str, BandAt]:
    for number in named.values():
        if not 1 <= number <= len(every):
            raise PipelineError(f"{images[0].path} has {len(every)} bands; --bands asks for {number}")
    return {common_name(name): BandAt(*every[number - 1], "by --bands") for name, number in named.items()}


def _looked_for(images: Sequence[Reader], codes: Sequence[str], product: Product | None) -> dict[str, BandAt]:
    own = product.codes if product else {}
    found: dict[str, BandAt] = {}
    known: set[tuple[int, int]] = set()
    ways = {
        "description": _by_description(images, own),
        "metadata": _by_metadata(images, own),
        "file": ((known_as(code, own), file, 1) for file, code in enumerate(codes)),
        "colour": _by_colour(images),
    }
    for how, names in ways.items():
        fresh = [(name, file, number) for name, file, number in names if (file, number) not in known]
        for name, file, number in fresh:
            found.setdefault(name, BandAt(file, number, FOUND[how]))
            if name in WORDS:
                known.add((file, number))
    if not known - {(0, images[0].alpha)} and len(images) == 1:
        found |= _by_layout(images[0], product)
    return found


def _by_description(images: Sequence[Reader], codes: Mapping[str, str]) -> Iterator[tuple[str, int, int]]:
    """Names that are just that first, and those within a longer text only for what is left."""
    texts = [
        (text, file, number)
        for file, image in enumerate(images)
        for number, text in enumerate(image.info.descriptions, start=1)
        if text and not _only_counts(image.info.descriptions)
    ]
    for read in (_by_code, known_as):
        yield from ((read(text, codes), file, number) for text, file, number in texts)


def _only_counts(descriptions: Sequence[str]) -> bool:
    """Whether descriptions are the numbers of their bands and nothing else; ``B01`` is Sentinel-2's."""
    parts = [PLACEHOLDER.fullmatch(text.strip()) for text in descriptions if text]
    return all(
        part is not None and part[1] == str(number) for number, part in enumerate(parts, start=1)
    ) and not re.fullmatch(r"b\d\d", descriptions[0], re.IGNORECASE)


def _by_metadata(images: Sequence[Reader], codes: Mapping[str, str]) -> Iterator[tuple[str, int, int]]:
    centres: list[tuple[float, int, int]] = []
    for file, image in enumerate(images):
        for number in image.dataset.indexes:
            items = {key.lower(): value for key, value in image.dataset.tags(number).items()}
            for text in (items[key] for key in ITEMS if key in items):
                if (name := known_as(text.removeprefix("common_name="), codes)) in WORDS:
                    yield name, file, number
                    break
            centre = _wavelength(
                items | {k.lower(): v for k, v in image.dataset.tags(number, "IMAGERY").items()}
            )
            if centre is not None:
                centres.append((centre, file, number))
    for name, (middle, tolerance) in WAVELENGTHS.items():
        near = [(abs(centre - middle), file, number) for centre, file, number in centres]
        if near and min(near)[0] <= tolerance:
            yield name, *min(near)[1:]


def _wavelength(items: Mapping[str, str]) -> float | None:
    """The centre of a band in nanometres, by ENVI's or GDAL's metadata."""
    for key in ("central_wavelength_um", "wavelength", "center_wavelength"):
        try:
            value = float(items[key])
        except (KeyError, ValueError):
            continue
        return value * 1000 if value < 100 else value
    return None


def _by_colour(images: Sequence[Reader]) -> Iterator[tuple[str, int, int]]:
    for file, image in enumerate(images):
        for number, color in enumerate(image.dataset.colorinterp, start=1):
            if color in {ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha}:
                yield color.name, file, number


def _by_layout(image: Reader, product: Product | None) -> dict[str, BandAt]:
    """By the order of a product's bands, or of Sentinel-2's where there can be but one."""
    info = image.info
    count = info.count - (image.alpha is not None)
    names: Sequence[str] = ()
    if product is not None and count in product.layouts:
        names, what = product.layouts[count], product.name
    elif set(info.dtypes[:count]) == {"uint8"} and count == 3 and not info.descriptions[0]:
        names, what = ("red", "green", "blue"), "most files of three bands of 8 bits"
    elif set(info.dtypes) <= {"uint16", "int16"}:
        names, what = SENTINEL2.get(count) or _order_of_ten(image), f"{count} bands of Sentinel-2"
    return {
        common_name(name): BandAt(0, number, FOUND["layout"].format(what))
        for number, name in enumerate(names, start=1)
    }


def _order_of_ten(image: Reader) -> Sequence[str]:
    """Of ten bands of Sentinel-2, the order that their brightness tells: B05 is darker than B06 on land."""
    if image.info.count != 10:
        return ()
    sample = image.decimated(256, [4, 5, 6, 7])
    fourth, fifth, sixth, seventh = (float(band.mean()) for band in sample)
    if fourth < 0.9 * fifth <= 1.1 * sixth:
        return BY_WAVELENGTH
    return BY_PIXEL_SIZE if fifth < 0.9 * min(sixth, seventh) and fifth < 0.9 * fourth else ()
