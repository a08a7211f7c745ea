"""What the server holds: the project, its scenes, and what was read of them before."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from urbanseg import paths
from urbanseg.classes import ClassTable
from urbanseg.config.params import Params, load
from urbanseg.display.stretch import Stretch
from urbanseg.review import blocks, scenes
from urbanseg.review.caches import Bytes, Latest
from urbanseg.review.frames import Frame
from urbanseg.review.readers import Readers, state
from urbanseg.review.refusals import unknown
from urbanseg.review.scenes import Scene

CACHE_BYTES = 32 << 20
"""Tiles that are kept."""


@dataclass
class Desk:
    """The state of a server.

    Attributes:
        user: whom corrections are by.
        root: folder of the project; the current one.
        opened: id of the scene that the page shows first.
        image: that was named when the server was started, and is mapped.
        images: further scenes by id: maps and images that are no city.
    """

    user: str
    root: Path = Path()
    opened: str | None = None
    image: Path | None = None
    images: Callable[[], dict[str, Scene]] = dict
    readers: Readers = field(default_factory=Readers)
    tiles: Bytes = field(default_factory=lambda: Bytes(CACHE_BYTES))
    _latest: Latest[Any] = field(default_factory=Latest)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def file(self) -> Path:
        """params.yaml."""
        return self.root / paths.PARAMS

    def params(self) -> Params | None:
        """The parameters as they are in the file now; None outside of a project.

        Raises:
            PipelineError: if they are wrong.
        """
        if not self.file.is_file():
            return None
        found: Params = self._latest.get("params", state(self.file), lambda: load(self.file))
        return found

    def table(self) -> ClassTable:
        """The classes of the project; none outside of one."""
        params = self.params()
        return ClassTable(()) if params is None else params.class_table

    def scenes(self) -> dict[str, Scene]:
        """All scenes by id: cities that have a scene, then images."""
        params = self.params()
        cities = {} if params is None else {c: scenes.city_scene(c, params, self.root) for c in params.cities}
        return {name: scene for name, scene in (cities | self.images()).items() if _can_show(scene)}

    def scene(self, name: str) -> Scene:
        """A scene by its id.

        Raises:
            RefusedError: if there is none.
        """
        params = self.params()
        is_city = params is not None and name in params.cities
        found = scenes.city_scene(name, params, self.root) if is_city and params else self.images().get(name)
        if found is None or not _can_show(found):
            raise unknown("scene of that name")
        return found

    def frame(self, scene: Scene) -> Frame:
        """Where a scene lies."""
        found: Frame = self._latest.get(
            ("frame", scene.id), state(scene.main), lambda: scene.frame(self.readers)
        )
        return found

    def figures(self, scene: Scene) -> blocks.BlockFigures:
        """Figures of a scene's blocks."""
        kept = blocks.calibration_file(scene)
        rasters = [scene.rasters[name] for name in blocks.LAYERS if scene.has(name)]
        files = tuple(state(file) for file in [*rasters, *([kept] if kept and kept.is_file() else [])])
        found: blocks.BlockFigures = self._latest.get(
            ("blocks", scene.id), (scene.block, files), lambda: blocks.measure(scene, self.readers)
        )
        return found

    def stretch(
        self, scene: Scene, bands: tuple[int, ...], wanted: str, make: Callable[[], Stretch]
    ) -> Stretch:
        """The range of values that bands of a scene are shown in.

        Args:
            scene: with an image.
            bands: numbers, from 1.
            wanted: percentiles such as ``2-98``, or ``min-max``.
            make: reads the range, where it is not known.
        """
        found: Stretch = self._latest.get(
            ("stretch", scene.id, bands, wanted), state(scene.rasters["scene"]), make
        )
        return found

    def latest(self, thing: Any, of: Any, make: Callable[[], Any]) -> Any:
        """What `make` gave for a thing in its latest state.

        Args:
            thing: what the result is of; hashable.
            of: its state now, such as `readers.state` of a file.
            make: makes the result, if the state is another than before.
        """
        return self._latest.get(thing, of, make)


def _can_show(scene: Scene) -> bool:
    return scene.has("scene") or scene.has("prediction")
