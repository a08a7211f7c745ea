"""Compare two maps of one place.

Before and after are cities or folders with classes.tif and, if there is one, confidence.tif.
"""

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    for name in ("before", "after"):
        parser.add_argument(name, help="a city, or a folder with classes.tif")
    parser.add_argument("out", type=Path, help="a folder for change.tif, matrix_ha.csv and change.gpkg")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that holds other files")


def run(asked: Namespace) -> None:
    """Write change.tif, matrix_ha.csv and change.gpkg."""
    import numpy as np

    from urbanseg import paths
    from urbanseg.config.params import load
    from urbanseg.io.output_folder import output_folder
    from urbanseg.mapping.vector_layers import reproducible_writing
    from urbanseg.workflows.change import compare_maps

    params = load(paths.PARAMS)
    before, after = (
        paths.prediction_dir(word) if word in params.cities else Path(word)
        for word in (asked.before, asked.after)
    )
    with output_folder(asked.out, overwrite=asked.overwrite) as folder, reproducible_writing(asked.out):
        matrix = compare_maps(before, after, folder, params.class_table, params.change)
    hectares = matrix.to_numpy()
    logging.getLogger(__name__).info(
        "%.1f of %.1f ha changed", hectares.sum() - np.trace(hectares), hectares.sum()
    )
