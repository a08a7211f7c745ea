"""What pages are made with: their templates, and pictures inside their text."""

from base64 import b64encode
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from urbanseg.report import pictures
from urbanseg.report.pictures import PalettedImage, Rgb


def templates() -> Environment:
    """The templates of pages; what a page does not give them is an error."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def data_uri(picture: PalettedImage | Rgb) -> str:
    """An image as a data URI: palette PNG, which keeps codes exact, or WebP."""
    if isinstance(picture, PalettedImage):
        kind, data = "png", pictures.png(picture)
    else:
        kind, data = "webp", pictures.webp(picture)
    return f"data:image/{kind};base64,{b64encode(data).decode()}"
