"""From a correction in the browser to a model that learned it: by DVC, beside the user's workspace."""

import io
import json
import time
import uuid

import numpy as np
import pytest
import rasterio
from dvc.api import DVCFileSystem
from pyproj import Transformer

from tests.protocol.desk import running
from urbanseg import paths
from urbanseg.classes import IGNORE
from urbanseg.config.params import load

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi", reason="the extra review is not installed")
pytest.importorskip("rio_tiler", reason="the extra review is not installed")

MINUTES = 30


def block_of(split, value):
    """The first 16 pixels of a block of a split, by row and column."""
    rows, cols = np.nonzero(split == value)
    return int(rows[0]) + 4, int(cols[0]) + 4


def square(raster, row, col, size=16):
    to_degrees = Transformer.from_crs(raster.crs, 4326, always_xy=True)
    corners = [(col, row), (col + size, row), (col + size, row + size), (col, row + size), (col, row)]
    ring = [list(to_degrees.transform(*(raster.transform @ corner))) for corner in corners]
    return {"type": "Polygon", "coordinates": [ring]}


def raster_at(folder, revision, name):
    """Pixels of a raster as it is in a revision."""
    stored = DVCFileSystem(str(folder), rev=revision)
    with rasterio.open(io.BytesIO(stored.read_bytes(str(name)))) as raster:
        return raster.read(1)


def test_corrections_are_trained_on_beside_the_workspace_and_never_those_of_test_blocks(project):
    folder = project.folder
    water = load(folder / "params.yaml").class_table.id_of("water")
    with rasterio.open(folder / paths.split("demo")) as raster:
        split = raster.read(1)
        places = [block_of(split, value) for value in (0, 2)]
        shapes = [square(raster, *place) for place in places]
    locks, metrics = project.locks(), (folder / paths.metrics("demo")).read_bytes()
    with running(folder, "demo", "--user", "anna") as client:
        assert "no city has corrections" in client.get("/api/project")["retrain"]
        for shape in shapes:
            stroke = {"id": str(uuid.uuid4()), "geometry": shape, "class": "water", "tool": "brush"}
            client.post("/api/scenes/demo/corrections", stroke)
        assert client.get("/api/project")["retrain"] is None
        job = client.post("/api/retrain", {"title": "ponds"})
        deadline = time.monotonic() + 60 * MINUTES
        while (job := client.get(f"/api/jobs/{job['id']}"))["state"] in {"queued", "running"}:
            assert time.monotonic() < deadline
            time.sleep(1)
        said = client.get(f"/api/jobs/{job['id']}/log")["text"]
        assert job["state"] == "done", (job["error"], said[-3000:])
        result = job["result"]
        assert set(result["cities"]) >= {"demo"}
        assert len(result["curves"]) == 2
        assert {"before", "after", "verdict"} <= set(result["cities"]["demo"]["miou"])

        name = result["experiment"]
        before, after = (raster_at(folder, r, paths.labels("demo")) for r in ("HEAD", name))
        changed = np.zeros(before.shape, bool)
        for row, col in places:
            changed[row : row + 16, col : col + 16] = True
        known = changed & (after != IGNORE)
        assert (after[known] == water).all()
        assert (after[~changed] == before[~changed]).all()
        assert (raster_at(folder, name, paths.split("demo")) == split).all(), "no block changed sides"
        assert project.locks() == locks
        assert (folder / paths.metrics("demo")).read_bytes() == metrics
        assert name in project.dvc("exp", "list", "--name-only")

        assert (
            client.post(f"/api/jobs/{job['id']}/decision", {"keep": False})["result"]["decision"] == "dropped"
        )
        assert name not in project.dvc("exp", "list", "--name-only")
        assert client.call("POST", f"/api/jobs/{job['id']}/decision", {"keep": True})[0] == 409
    assert "layers: [corrections, osm]" in (folder / "params.yaml").read_text()
    assert json.loads((folder / paths.kept_split("demo")).read_text())["blocks"]
