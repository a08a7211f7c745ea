"""Map a region cell by cell, on a Dask cluster, and make one map of all cells."""

from stages._cli import region_stage
from urbanseg import paths
from urbanseg.config.params import Params
from urbanseg.workflows.region import map_region


@region_stage(writes=paths.region_dir)
def main(region: str, params: Params) -> None:
    map_region(region, params)


if __name__ == "__main__":
    main()
