"""A region through DVC: its files are tracked, nothing is made twice, and cells stay when it is enlarged."""

import pytest
import yaml

from tests.pipeline.project import Project, ran
from tests.protocol.region_project import Region, Size
from tests.protocol.scenes.drawn_world import DrawnProduct
from tests.protocol.scenes.loopback import running
from tests.protocol.scenes.world import day

PIPELINE = "regions/land/dvc.yaml"
STAGE = f"{PIPELINE}:region"
SIZE = Size(cell=96, window=64, overlap=16)


@pytest.mark.slow
def test_dvc_tracks_a_region_makes_nothing_twice_and_keeps_the_cells_of_a_smaller_one(
    tmp_path, tmp_path_factory
):
    with running(tmp_path_factory.mktemp("cogs")) as (served, url):
        large = Region(tmp_path / "large", url, 2, SIZE)
        left, bottom, right, top = large.bounds
        bounds = (left - 3000, bottom - 3000, right + 3000, top + 3000)
        served.reset([DrawnProduct(day(6, 14), 0.0, bounds=bounds)])
        region = Region(tmp_path / "project", url, 1, SIZE)
        project = Project(region.folder, region.params)
        assert ran(project.dvc("repro", PIPELINE)) == ["params", STAGE]
        project.commit("Map a cell")
        (first,) = region.finished
        made, asked = region.bytes(), served.count(".")
        lock = yaml.safe_load((project.folder / "regions/land/dvc.lock").read_text())
        (output,) = lock["stages"]["region"]["outs"]
        assert (output["path"], output["nfiles"]) == ("data/region/land", len(made))

        assert ran(project.dvc("repro", PIPELINE)) == []
        project.set("regions.land.work.workers", 1)
        assert ran(project.dvc("repro", PIPELINE)) == ["params"]
        assert served.count(".") == asked

        project.run("rm", "-r", "data/region/land")
        project.dvc("checkout", PIPELINE)
        assert region.bytes() == made

        area = large.folder / "area.geojson"
        (project.folder / "area.geojson").write_text(area.read_text())
        assert ran(project.dvc("repro", PIPELINE)) == [STAGE]
        assert len(region.finished) == 4
        assert served.count("/search$") == 4
        again = region.bytes()
        of_first = [name for name in made if name.startswith(f"cells/{first}/")]
        assert len(of_first) > 8
        assert {name: again[name] for name in of_first} == {name: made[name] for name in of_first}
        project.git("checkout", "--quiet", "HEAD", "--", ".")
        project.dvc("checkout", PIPELINE)
        assert region.bytes() == made
