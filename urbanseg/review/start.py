"""What the server is started with: the project of a folder, one of its cities, a map, or an image."""

from pathlib import Path

from urbanseg.errors import PipelineError
from urbanseg.review.desk import Desk
from urbanseg.review.scenes import map_scene


def desk_for(what: str | None, user: str, root: Path) -> Desk:
    """The desk of a project or of a map.

    Args:
        what: a city of params.yaml, or the folder of a map; None for all of the project.
        user: whom corrections are by.
        root: folder of the project.

    Raises:
        PipelineError: if there is nothing to show.
    """
    desk = Desk(user, root)
    params = desk.params()
    if what is not None and (params is None or what not in params.cities):
        _open_path(Path(what), desk)
        return desk
    desk.opened = what
    if what is None and params is None:
        raise PipelineError("there is no params.yaml in this folder; go to a project, or name an image")
    found = desk.scenes()
    if desk.opened is not None and desk.opened not in found:
        raise PipelineError(
            f"{desk.opened} has no scene yet; run dvc repro cities/{desk.opened}/dvc.yaml:scene"
        )
    return desk


def _open_path(path: Path, desk: Desk) -> None:
    """Show the folder of a map, or let an image be mapped."""
    if (path / "classes.tif").is_file():
        scene = map_scene("map", path.resolve().name, "image", path, None, desk.table(), None)
        desk.images, desk.opened = lambda: {scene.id: scene}, scene.id
    elif path.is_file():
        desk.image = path.resolve()
    else:
        raise PipelineError(
            f"{path} is no city of params.yaml, no image, and no folder of urbanseg map; correct the name"
        )
