"""Say how accurate a city's map is, by a sample of points that people checked.

``python -m stages.assess <city> <file.gpkg>`` prints the accuracy table, and keeps it beside
the file as Markdown and JSON; not part of the pipeline. `stages.sample` draws the points.
"""

from pathlib import Path

import numpy as np

from stages._cli import city_file_stage
from urbanseg import files
from urbanseg.errors import PipelineError
from urbanseg.mapping.checkpoints import read_checkpoints
from urbanseg.metrics.olofsson import accuracy
from urbanseg.params import Params
from urbanseg.report.accuracy import accuracy_page, accuracy_values


@city_file_stage
def main(city: str, file: Path, params: Params) -> None:
    """Read the points; print and write the table."""
    names = params.class_table.names
    checked = read_checkpoints(file, params.class_table)
    unknown = np.flatnonzero((checked.area_ha > 0) & (checked.counts.sum(axis=1) == 0))
    if unknown.size:
        raise PipelineError(
            f"{file}: at no point mapped as {names[unknown[0]]} could anyone tell; check more points"
        )
    found = accuracy(checked.counts, checked.area_ha)
    page = accuracy_page(
        found,
        checked.counts,
        checked.area_ha,
        names,
        title=params.city(city).title,
        unknown=checked.unknown,
    )
    with files.atomic(file.with_suffix(".md")) as temporary:
        temporary.write_text(page)
    files.write_json(
        file.with_suffix(".json"), accuracy_values(found, checked.counts, checked.area_ha, names)
    )
    print(page, end="")


if __name__ == "__main__":
    main()
