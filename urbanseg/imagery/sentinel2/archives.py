"""The archives that Sentinel-2 scenes are downloaded from, by the provider's name.

Each imports its client only when it is opened: the clients take seconds to import.
"""

from collections.abc import Callable
from typing import Any

from urbanseg.config.scene import SentinelHubScene, StacScene
from urbanseg.errors import missing_package
from urbanseg.imagery.sentinel2.satellite import Archive


def connect(scene: SentinelHubScene | StacScene) -> Archive:
    """The archive of the scene's provider; raises PipelineError without credentials where it needs some."""
    return ARCHIVES[scene.provider](scene)


def _sentinel_hub(scene: SentinelHubScene) -> Archive:
    try:
        from urbanseg.imagery.sentinel2.sentinel_hub import SentinelHub  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise missing_package(error, "sentinelhub") from error
    return SentinelHub(scene)


def _stac(scene: StacScene) -> Archive:
    try:
        from urbanseg.imagery.sentinel2.stac import Stac  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise missing_package(error, "pipeline") from error
    return Stac(scene)


ARCHIVES: dict[str, Callable[[Any], Archive]] = {"sentinelhub": _sentinel_hub, "stac": _stac}
