"""A library of pure functions for land-cover maps of cities from satellite imagery.

Grids, rasters, labels, models, maps, scores. Nothing here knows params.yaml (except `config`)
or a fixed path (except `paths`); the commands that DVC runs are in `stages`.

`map_image` maps an image with a trained model in one call; it is imported when it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from urbanseg.workflows.map_image import map_image
    from urbanseg.workflows.map_result import MapResult

__all__ = ["MapResult", "map_image"]


def __getattr__(name: str) -> Any:
    if name == "map_image":
        from urbanseg.workflows.map_image import map_image  # noqa: PLC0415, a second and more

        return map_image
    if name == "MapResult":
        from urbanseg.workflows.map_result import MapResult  # noqa: PLC0415, a second and more

        return MapResult
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
