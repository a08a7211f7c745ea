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
    import numpy as np

    from urbanseg import paths
    from urbanseg.config.params import load
    from urbanseg.errors import PipelineError
    from urbanseg.io import files
    from urbanseg.io.output_folder import require_free
    from urbanseg.mapping.checkpoints import read_checkpoints
    from urbanseg.metrics.stratified_estimates import estimate_accuracy
    from urbanseg.report.accuracy import accuracy_page, accuracy_values

    params, file = load(paths.PARAMS), asked.file
    title = params.city(asked.city).title
    pages = file.with_suffix(".md"), file.with_suffix(".json")
    for path in pages:
        require_free(path, overwrite=asked.overwrite)
    names = params.class_table.names
    checked = read_checkpoints(file, params.class_table)
    unknown = np.flatnonzero((checked.area_ha > 0) & (checked.counts.sum(axis=1) == 0))
    if unknown.size:
        raise PipelineError(
            f"{file}: at no point mapped as {names[unknown[0]]} could anyone tell; check more points"
        )
    found = estimate_accuracy(checked.counts, checked.area_ha)
    page = accuracy_page(
        found,
        checked.counts,
        checked.area_ha,
        params.class_table.labels,
        title=title,
        unknown=checked.unknown,
    )
    files.write_text(pages[0], page)
    files.write_json(pages[1], accuracy_values(found, checked.counts, checked.area_ha, names))
    print(page, end="")
