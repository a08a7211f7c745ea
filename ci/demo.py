"""Render a small city and map it by a model that ships: ``python -m ci.demo FOLDER``.

Everything lies in FOLDER, so that the project's own data stay as they are; a second run replaces it.
"""

import os
import subprocess
import sys
from pathlib import Path

from urbanseg.cli.guard import guarded
from urbanseg.config.overlay import overlaid
from urbanseg.errors import PipelineError

ROOT = Path(__file__).parents[1]
MODEL = "s2-urban"
SIDE_M = 4000
TOWN = """cities:
  town:
    title: A town by a river (simulated)
    role: holdout
    inputs: data/none
    scene:
      provider: simulated
      layout: {{seed: 5, style: river, longitude: 9.19, latitude: 48.78, width_m: {side}, height_m: {side}}}
      resolution_m: 10
      render_m: 2
      datetime: "2023-06-14T10:26:00Z"
      sun_azimuth: 158
      sun_elevation: 62
      noise: 0.004
      haze: 0.02
      cloud_share: 0.0
    osm: {{provider: pbf, path: data/scene/town/city.osm.pbf}}
    labels: {{source: osm}}
"""
"""A part of params.yaml: another town than those that the pipeline learns from and is tested on."""


def main() -> None:
    """Render, map, and say where the report is."""
    if len(sys.argv) != 2:
        raise PipelineError("give one folder for the scene and its map, such as data/demo")
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(overlaid(params, TOWN.format(side=SIDE_M)), encoding="utf-8")
    _run(folder, "stages.scene", "town")
    scene = "data/scene/town/scene.tif"
    _run(folder, "urbanseg.cli", "map", scene, "map", "--model", MODEL, "--overwrite")
    print(f"open {folder / 'map' / 'report.html'}")


def _run(folder: Path, module: str, *words: str) -> None:
    """Run a program of this checkout in the folder."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", module, *words]
    if subprocess.run(command, cwd=folder, env=os.environ | {"PYTHONPATH": path}, check=False).returncode:
        raise PipelineError(f"the demo stopped; what it says is above, what it made is in {folder}")


if __name__ == "__main__":
    guarded(main)
