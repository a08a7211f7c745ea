"""Read the OpenStreetMap features that have a class, in and around a city's scene."""

import logging
from typing import Any

import geopandas as gpd

from stages._cli import city_stage
from urbanseg import osm, paths
from urbanseg.config.labels import OverpassOsm, PbfOsm
from urbanseg.config.params import Params
from urbanseg.errors import PipelineError
from urbanseg.io import files, raster
from urbanseg.mapping.styles import features_qml
from urbanseg.osm import dates

log = logging.getLogger(__name__)


@city_stage(writes=paths.osm)
def main(city: str, params: Params) -> None:
    source = params.city(city).osm
    if source.provider == "none":
        log.info("%s takes no OpenStreetMap; its table of features is empty", city)
        _write(city, osm.table(), params)
        return
    taken = dates.taken(files.read_json(paths.item(city))) if paths.item(city).exists() else None
    wanted: dict[str, Any] = {
        "bbox": osm.area_of_interest(raster.describe(paths.scene(city)).grid),
        "rules": params.osm.rules,
        "skip": params.osm.skip,
        "keep_tags": params.osm.keep_tags,
    }
    if isinstance(source, PbfOsm):
        features = osm.read_features(source.path, **wanted)
        features.attrs = {"snapshot": source.date, **features.attrs} if source.date else features.attrs
    else:
        features = _fetched(city, source, taken, wanted)
    dates.check_gap(
        features.attrs.get("snapshot"), taken, params.osm.max_gap_months, fail=params.osm.fail_on_gap
    )
    _write(city, features, params)


def _write(city: str, features: gpd.GeoDataFrame, params: Params) -> None:
    """Write features, and their QGIS style beside them."""
    target = paths.osm(city)
    kinds = features.geom_type.str.removeprefix("Multi").str.removesuffix("String")
    osm.write_features(target, features)
    found = zip(features["class"], kinds, strict=True)
    files.write_text(target.with_suffix(".qml"), features_qml(params.class_table, found))


def _fetched(
    city: str, source: OverpassOsm, taken: dates.Range | None, wanted: dict[str, Any]
) -> gpd.GeoDataFrame:
    from urbanseg.osm import overpass  # noqa: PLC0415, osmnx takes a second to import

    moment = source.date
    if moment == "scene":
        if taken is None:
            raise PipelineError(
                f"cities.{city}.osm.date is scene, but the date of the scene is not known; give a date"
            )
        moment = dates.middle(taken)
    return overpass.fetch_features(source, cache=paths.overpass_cache(city), moment=moment, **wanted)


if __name__ == "__main__":
    main()
