"""Sentences on bands that an image lacks: which ones there are, and what to do."""

from collections.abc import Sequence

from rasterio.enums import ColorInterp

from urbanseg.io.raster import Reader
from urbanseg.model.spec import Spec


def missing(images: Sequence[Reader], spec: Spec, lacking: Sequence[str], codes: Sequence[str]) -> str:
    """Why an image does not have the bands of a model.

    Args:
        images: its open files.
        spec: of the model.
        lacking: bands of the model that were not found.
        codes: what the name of each file says that its band is, if they hold a band each.
    """
    needs = f"the model needs {', '.join(spec.bands)} and {', '.join(lacking)} is missing"
    if single := alone(images, codes, needs):
        return single
    image, count = images[0], sum(image.info.count for image in images)
    example = f"--bands {','.join(f'{band}={i}' for i, band in enumerate(spec.bands, start=1))}"
    names = [
        text or color.name
        for image in images
        for text, color in zip(image.info.descriptions, image.dataset.colorinterp, strict=True)
    ]
    if codes:
        names = [code.upper() for code in codes]
    spare = count - (image.alpha is not None) >= len(spec.bands)
    how = f"say which is which with --bands, such as {example}, or " if spare else ""
    return (
        f"{image.path} has the bands {', '.join(names)}, but {needs}; {how}name a model with --model that "
        "was trained on the bands that the image has"
    )


def alone(images: Sequence[Reader], codes: Sequence[str], needs: str) -> str | None:
    """Why a single band is no image for a model; None of an image with more.

    Args:
        images: its open files.
        codes: see `missing`.
        needs: what models need, as a part of the sentence.
    """
    image = images[0]
    if len(images) > 1 or image.info.count - (image.alpha is not None) > 1:
        return None
    if image.dataset.colorinterp[0] is ColorInterp.palette:
        return (
            f"{image.path} holds numbers of a palette, not colours; write the colours, with gdal_translate "
            f"-expand rgb {image.path.name} colours.tif, and map that"
        )
    kind = f"the band {codes[0].upper()} alone" if codes else "a single band (grey, or one of a scene)"
    return (
        f"{image.path} has {kind}, but {needs}; grey alone does not tell land cover, so name the files of "
        "all bands together, or an image that has them"
    )
