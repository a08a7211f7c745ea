"""How far images are from what a model knows, and how often it warns of what it should know.

``python -m bench.domain MODEL PROJECT [--role holdout] [--quarters] [--images FILE …]``

MODEL is a packed model or the folder of a segmenter, PROJECT a folder in which tiles, scenes and labels lie
(such as a working copy of ``ci.models``). A model without statistics of its classes' appearance gets them
from the tiles of PROJECT. Each scene of the role is judged as ``urbanseg map`` judges it, and so are its four
quarters if that is asked for; the share that is warned of is the rate of false alarms, if the scenes are of
the kind that the model is for. Then the images, whatever they are. The last line is one JSON object.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from urbanseg.config.params import load
from urbanseg.config.predict import PredictParams
from urbanseg.grid import Grid, Window
from urbanseg.infer import appearance, backends, familiarity
from urbanseg.infer.images import select_bands
from urbanseg.infer.scene import Scene, predict_scene
from urbanseg.infer.stitching import Predictor
from urbanseg.io import raster, tables
from urbanseg.model.domain import WARN, Domain
from urbanseg.model.spec import Spec
from urbanseg.workflows.map_model import load_model
from urbanseg.workflows.model_input import sources
from urbanseg.workflows.model_input.opening import open_for_model
from urbanseg.workflows.training_statistics import appearance_of


@dataclass(frozen=True)
class Part:
    """A window of a scene as a scene of its own."""

    whole: Scene
    window: Window

    @property
    def grid(self) -> Grid:
        """Where its pixels lie."""
        return self.whole.grid.window(self.window)

    def read(self, window: Window | None = None, bands: Any = None) -> NDArray[Any]:
        """Pixels, ``(bands, height, width)``."""
        return self.whole.read(self._inside(window), bands)

    def valid(self, window: Window | None = None, bands: Any = None) -> NDArray[np.bool_]:
        """Which of them hold data, ``(height, width)``."""
        return self.whole.valid(self._inside(window), bands)

    def _inside(self, window: Window | None) -> Window:
        if window is None:
            return self.window
        return window._replace(row=window.row + self.window.row, col=window.col + self.window.col)


def judged(
    scene: Scene, bands: list[int], model: tuple[Predictor, Spec], known: dict[str, Any]
) -> tuple[Domain | None, Domain | None]:
    """What is said of a scene before its prediction, and of the ground that it is predicted to be."""
    predict, spec = model
    ground = familiarity.Ground(scene.grid.shape)
    for _ in ground.watched(predict_scene(scene, bands, predict, spec.classes, PredictParams())):
        pass
    return (
        familiarity.judge(scene, bands, spec, known),
        familiarity.judge_ground(ground, scene, bands, spec, known),
    )


def scenes(project: Path, role: str, spec: Spec, *, quarters: bool) -> Iterator[tuple[str, Scene, list[int]]]:
    """The scenes of a role that are there, and their quarters, each with the numbers of the model's bands."""
    for city, about in load(project / "params.yaml").cities.items():
        path = project / "data/scene" / city / "scene.tif"
        if about.role != role or not path.exists():
            continue
        with raster.reading(path) as scene:
            bands = select_bands(scene.info.descriptions, spec, str(path))
            yield city, scene, bands
            height, width = scene.grid.height // 2, scene.grid.width // 2
            corners = [(0, 0), (0, width), (height, 0), (height, width)] if quarters else []
            for number, (row, col) in enumerate(corners):
                yield f"{city}, quarter {number}", Part(scene, Window(row, col, height, width)), bands


@contextmanager
def image(path: Path, spec: Spec) -> Iterator[Scene]:
    """An image as ``urbanseg map --force`` opens it."""
    (source,) = sources.gather([path])
    with (
        tempfile.TemporaryDirectory() as drafts,
        open_for_model(source, spec, force=True, drafts=Path(drafts)) as opened,
    ):
        yield opened


def statistics(project: Path, model: tuple[Predictor, Spec]) -> dict[str, Any]:
    """The appearance of a model's classes, from the tiles of the project that trained it."""
    table = tables.read(project / "data/dataset.parquet")
    return appearance_of(
        *model,
        table,
        scene_of=lambda city: project / "data/scene" / city / "scene.tif",
        labels_of=lambda city: project / "data/labels" / f"{city}.tif",
    )


def row(name: str, found: tuple[Domain | None, Domain | None]) -> float:
    """Print what is said of an image; the larger distance."""
    scores = [0.0 if each is None else each.score for each in found]
    reasons = [reason for each in found if each is not None for reason in each.reasons]
    print(f"{name:28} whole {scores[0]:5.2f}  ground {scores[1]:5.2f}  {'; '.join(reasons)}", flush=True)
    return max(scores)


def main() -> None:
    """Print the distances and the rate of false alarms."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("project", type=Path)
    parser.add_argument("--role", default="holdout", choices=["holdout", "train"])
    parser.add_argument("--quarters", action="store_true")
    parser.add_argument("--images", type=Path, nargs="*", default=[])
    asked = parser.parse_args()
    running = load_model(asked.model, "onnx" if backends.is_exported(asked.model) else None)
    model = running.predict, running.spec
    known = dict(running.known or {})
    if appearance.KEY not in known:
        known[appearance.KEY] = statistics(asked.project, model)
    edges = {name: entry["edge"] for name, entry in known[appearance.KEY].items()}
    print("edges:", edges, flush=True)
    found = {
        name: row(name, judged(scene, bands, model, known))
        for name, scene, bands in scenes(asked.project, asked.role, running.spec, quarters=asked.quarters)
    }
    report: dict[str, Any] = {"edges": edges}
    for kind, scores in (
        ("scenes", [score for name, score in found.items() if "quarter" not in name]),
        ("quarters", [score for name, score in found.items() if "quarter" in name]),
    ):
        if scores:
            warned = sum(score >= WARN for score in scores)
            print(f"{warned} of {len(scores)} {kind} are warned of ({warned / len(scores):.1%})")
            report[kind] = {"warned": warned, "of": len(scores), "highest": max(scores)}
    distances = {}
    for path in asked.images:
        with image(path, running.spec) as opened:
            bands = list(range(1, len(running.spec.bands) + 1))
            distances[path.name] = row(path.name, judged(opened, bands, model, known))
    print(json.dumps(report | {"images": distances}))


if __name__ == "__main__":
    main()
