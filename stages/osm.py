"""Read the OpenStreetMap features that have a class, in and around a city's scene."""

import logging

from stages._cli import city_stage
from urbanseg import osm, paths, raster
from urbanseg.params import NoOsm, Params

log = logging.getLogger(__name__)


@city_stage
def main(city: str, params: Params) -> None:
    source = params.city(city).osm
    if isinstance(source, NoOsm):
        log.info("%s takes no OpenStreetMap; its table of features is empty", city)
        features = osm.table()
    else:
        scene = raster.describe(paths.scene(city))
        features = osm.read_features(
            source.path,
            params.osm.rules,
            skip=params.osm.skip,
            keep_tags=params.osm.keep_tags,
            bbox=osm.area_of_interest(scene.grid),
        )
    osm.write_features(paths.osm(city), features)


if __name__ == "__main__":
    main()
