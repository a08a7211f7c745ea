"""Render a scene of the embedded city of params.yaml and map it: ``python -m ci.demo FOLDER``.

Everything lies in FOLDER, so that the project's own data stay as they are; a second run replaces it.
"""

import os
import subprocess
import sys
from pathlib import Path

from urbanseg.cli.guard import guarded
from urbanseg.errors import PipelineError

ROOT = Path(__file__).parents[1]
CITY = "oasis"
"""The smaller of the embedded cities."""


def main() -> None:
    """Render, map, and say where the report is."""
    if len(sys.argv) != 2:
        raise PipelineError("give one folder for the scene and its map, such as data/demo")
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    found = os.environ.get("PYTHONPATH")
    paths = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *([found] if found else [])])}
    scene, out = folder / "data/scene" / CITY / "scene.tif", folder / "map"
    for command in (
        [sys.executable, "-m", "stages.scene", CITY],
        [sys.executable, "-m", "urbanseg.cli", "map", str(scene), str(out), "--overwrite"],
    ):
        if subprocess.run(command, cwd=folder, env=paths, check=False).returncode:
            raise PipelineError(f"the demo stopped; what it says is above, what it made is in {folder}")
    print(f"open {out / 'report.html'}")


if __name__ == "__main__":
    guarded(main)
