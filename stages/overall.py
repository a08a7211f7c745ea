"""Score all cities together, from what each of their test blocks contributes."""

import logging

from stages._cli import stage
from urbanseg import paths
from urbanseg.config.params import Params
from urbanseg.io import files
from urbanseg.metrics import block_counts, block_tables
from urbanseg.metrics.summary import pooled_summary

log = logging.getLogger(__name__)


@stage(writes=paths.OVERALL)
def main(params: Params) -> None:
    """Read the counts by block of every city and write the scores of all cities together."""
    found = {city: block_tables.read(paths.evaluation_dir(city)) for city in params.cities}
    figures = pooled_summary(
        block_counts.pool(list(found.values())),
        params.class_table,
        params.evaluate.targets,
        seed=params.seed,
        samples=params.evaluate.bootstrap.samples,
    )
    files.write_json(paths.OVERALL, figures | {"cities": list(found)})
    log.info("%d cities: mIoU %.3f on %d test pixels", len(found), figures["miou"], figures["test_pixels"])


if __name__ == "__main__":
    main()
