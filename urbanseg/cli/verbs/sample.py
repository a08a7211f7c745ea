"""Draw a sample of a city's map for visual interpretation in QGIS.

Writes the points, stratified by mapped class, as the section sampling of params.yaml says;
`urbanseg assess` reads them back.
"""

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("city", help="whose map is checked")
    parser.add_argument("file", type=Path, help="GeoPackage for the points; must not exist")


def run(asked: Namespace) -> None:
    """Draw the points, and write them."""
    from urbanseg import paths
    from urbanseg.config.params import load
    from urbanseg.workflows.accuracy_sample import draw

    city, file = asked.city, asked.file
    count = draw(city, load(paths.PARAMS), file)
    logging.getLogger(__name__).info(
        "%s: %d points; open %s in QGIS and fill in the reference class", city, count, file
    )
