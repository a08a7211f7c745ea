"""What is kept of a city is known in one place."""

from pathlib import Path

import yaml

from tests.conftest import ROOT
from urbanseg import paths


def test_all_that_the_stages_of_a_city_write_is_told_when_it_is_removed() -> None:
    pipeline = yaml.safe_load((ROOT / "cities/demo/dvc.yaml").read_text())
    written = [
        Path(next(iter(out)) if isinstance(out, dict) else out)
        for stage in pipeline["stages"].values()
        for kind in ("outs", "metrics", "plots")
        for out in stage.get(kind, [])
    ]
    told = paths.of_city("demo")
    assert [path for path in written if not {path, *path.parents} & {*told}] == []
