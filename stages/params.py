"""Check params.yaml, and write it in parts: DVC compares the part that a stage reads."""

from stages._cli import stage
from urbanseg import paths
from urbanseg.config import parts
from urbanseg.config.params import Params, load
from urbanseg.io import files
from urbanseg.workflows import city_pipelines


@stage(writes=paths.PARTS)
def main(_: Params) -> None:
    params = load(paths.PARAMS)  # and not from what an earlier run wrote
    city_pipelines.check(paths.CITIES, params.cities)
    city_pipelines.check(paths.REGIONS, params.regions)
    with files.atomic(paths.PARTS, paths.PARTS_FILES) as folder:
        for name, values in parts.split(params).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            files.write_json(folder / name, values)
        files.write_json(
            folder / parts.ORIGIN, parts.origin(paths.PARAMS) | {parts.CITIES: list(params.cities)}
        )


if __name__ == "__main__":
    main()
