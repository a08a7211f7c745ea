"""Maps of several images, each in a folder of its own, and the map of an area whose scene is downloaded."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from tqdm import tqdm

from urbanseg.config.scene import StacScene
from urbanseg.config.sentences import first_wrong
from urbanseg.display.thumbnails import present_scene
from urbanseg.errors import PipelineError, missing_package
from urbanseg.infer.images import common_name
from urbanseg.io import files
from urbanseg.io.output_folder import output_folder
from urbanseg.workflows import new_city
from urbanseg.workflows.map_image import map_into
from urbanseg.workflows.map_model import Models
from urbanseg.workflows.map_result import Wishes
from urbanseg.workflows.model_input.sources import Source, gather

log = logging.getLogger(__name__)

Summary = dict[str, Any]

KEPT = (
    "attribution", "constellation", "datetime", "end_datetime", "eo:", "instruments", "license", "source:",
    "start_datetime",
)  # fmt: skip
"""How the properties of a scene begin that its map keeps."""


def map_all(
    images: Sequence[Path], out: Path, models: Models, wishes: Wishes, *, overwrite: bool
) -> list[Summary]:
    """Map one image into a folder, or several into a folder each.

    Args:
        images: files, folders of images, or addresses.
        out: the folder to write.
        models: that map them.
        wishes: what is written.
        overwrite: whether folders may hold other files.

    Returns:
        A summary of each map; of an image that failed, where there are several, its ``error``.

    Raises:
        PipelineError: if a folder holds no image, or the only image cannot be mapped.
    """
    found = gather(images, numbered=wishes.bands is not None)
    if len(found) == 1 and not (images[0].is_dir() and len(found[0].files) == 1):
        with _none_left_empty(out):
            return [_mapped(found[0], out, models, wishes, overwrite=overwrite)]
    summaries = []
    with _none_left_empty(out):
        for image, folder in zip(tqdm(found, desc="images", unit="image"), _folders(found, out), strict=True):
            try:
                summaries.append(_mapped(image, folder, models, wishes, overwrite=overwrite))
            except PipelineError as error:
                log.error("error: %s", error)  # noqa: TRY400, a sentence without a traceback
                summaries.append({"image": image.label, "error": str(error)})
    return summaries


def map_area(
    where: dict[str, Any],
    dates: str | None,
    out: Path,
    models: Models,
    wishes: Wishes,
    *,
    overwrite: bool,
    archive: dict[str, Any] | None = None,
) -> Summary:
    """Download the Sentinel-2 scene of an area, and map it; the scene stays beside the map.

    Args:
        where: `place` or `bbox`.
        dates: first and last day of the search; the last whole year if None.
        out: the folder to write.
        models: of which one maps it.
        wishes: what is written.
        overwrite: whether the folder may hold other files.
        archive: further parameters of the scene, such as the address of another archive.

    Raises:
        PipelineError: if no suitable scene is found, or it cannot be mapped.
    """
    try:
        from urbanseg.imagery.sentinel2.delivery import download  # noqa: PLC0415, its clients are an extra
    except ModuleNotFoundError as error:
        raise missing_package(error, "pipeline", "or name an image instead of a place") from error
    section, told = new_city.scene_of_area(where, dates)
    try:
        scene = StacScene.model_validate(section | (archive or {}))
    except ValidationError as error:
        raise PipelineError(
            f"the scene of the area cannot be asked for: {first_wrong(error, section)}"
        ) from None
    for line in told:
        log.info("%s", line)
    title = str(where.get("place") or "bbox " + ", ".join(f"{edge:g}" for edge in where["bbox"]))
    model = models.for_bands(title, list(map(common_name, new_city.BANDS)), new_city.RESOLUTION_M)
    fetched = out.resolve().with_name(f".{out.resolve().name}.fetched")
    with _none_left_empty(out), output_folder(out, overwrite=overwrite) as folder:
        bands, scl = folder / "scene.tif", folder / "scl.tif"
        item = download(title, scene, fetched, bands, scl)
        present_scene(folder)
        known = {name: value for name, value in item["properties"].items() if name.startswith(KEPT)}
        links = [link for link in item["links"] if link["rel"] == "license"]
        source = Source(title, (bands,), ("scl", scl))
        about = replace(wishes, title=title, properties=known, links=links)
        mapped = map_into(source, folder, model, about, out)
    files.remove(fetched)
    return _summary(mapped.summary(), out)


@contextmanager
def _none_left_empty(out: Path) -> Iterator[None]:
    """Remove the folders that were made for a map, down to `out`, if nothing was written into them."""
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        yield
    finally:
        for folder in made:
            with suppress(OSError):  # it holds a map, or was never made
                folder.rmdir()


def _mapped(image: Source, out: Path, models: Models, wishes: Wishes, *, overwrite: bool) -> Summary:
    with output_folder(out, overwrite=overwrite) as folder:
        mapped = map_into(image, folder, models.for_image(image, wishes), wishes, out)
    return _summary(mapped.summary(), out)


def _summary(found: Summary, out: Path) -> Summary:
    """What is said of a map, with its folder and the files in it."""
    areas = next(value for key, value in found.items() if key.startswith("areas_"))
    unit = "px" if "areas_px" in found else "ha"
    said = ", ".join(
        f"{name} {area:{',.0f' if area >= 10 else '.2g'}}" for name, area in areas.items() if area
    )
    log.info("%s: the land cover of %s (%s: %s)", out, found["image"], unit, said)
    written = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
    return found | {"folder": str(out), "files": written}


def _folders(images: Sequence[Source], out: Path) -> list[Path]:
    """A folder for each image, of its name; with its ending, or a number, where others have the same."""
    stems = Counter(image.name for image in images)
    names = [image.name if stems[image.name] == 1 else image.label for image in images]
    totals = Counter(names)
    taken = {name for name, total in totals.items() if total == 1}
    folders = []
    for name in names:
        numbered = (f"{name}_{number}" for number in count(1))
        free = name if totals[name] == 1 else next(each for each in numbered if each not in taken)
        taken.add(free)
        folders.append(out / free)
    return folders
