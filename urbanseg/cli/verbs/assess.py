"""Estimate the accuracy of a city's map from a sample of interpreted points.

Prints the accuracy table, and keeps it beside the file as Markdown and JSON. `urbanseg sample`
draws the points.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("city", help="whose map was checked")
    parser.add_argument("file", type=Path, help="GeoPackage with the points, filled in")
    parser.add_argument("--overwrite", action="store_true", help="replace the tables beside the file")


def run(asked: Namespace) -> None:
    """Read the points; print and write the table."""
    from urbanseg import paths
    from urbanseg.config.params import load
    from urbanseg.io import files
    from urbanseg.io.output_folder import require_free
    from urbanseg.workflows.accuracy_sample import assess

    params, file = load(paths.PARAMS), asked.file
    params.city(asked.city)
    pages = file.with_suffix(".md"), file.with_suffix(".json")
    for path in pages:
        require_free(path, overwrite=asked.overwrite)
    page, values = assess(asked.city, params, file)
    files.write_text(pages[0], page)
    files.write_json(pages[1], values)
    print(page, end="")
