"""What cannot be meant in a scene's parameters is refused in words that name it."""

import datetime as dt
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from urbanseg.config.params import Scene

AREA = {"area": {"bbox": [9, 48, 9.1, 48.1]}, "dates": "2023-05-01/2023-07-31"}
HUB = {"provider": "sentinelhub", "profile": "cdse"} | AREA
STAC = {"provider": "stac", "profile": "earth_search"} | AREA


def checked(scene: dict[str, Any]) -> Any:
    return TypeAdapter(Scene).validate_python(scene)


@pytest.mark.parametrize(
    ("scene", "sentence"),
    [
        (HUB | {"area": {"bbox": [9, 48, 9.1, 48.1], "place": "Ulm"}}, "exactly one of bbox, file and place"),
        (HUB | {"area": {}}, "exactly one of bbox, file and place"),
        (HUB | {"area": {"bbox": [9, 48, 8, 49]}}, "west < east"),
        (HUB | {"dates": "2023-07-31"}, "must be a first and a last day"),
        (HUB | {"dates": "2023-07-31/2023-05-01"}, "first day 2023-07-31 must not be after the last"),
        (HUB | {"bands": ["B10"]}, "B10"),
        (HUB | {"bands": ["B02", "B02"]}, "names B02 twice"),
        (HUB | {"request_px": 2560}, "less than or equal to 2500"),
        (HUB | {"request_px": 1000}, "multiple of 256"),
        (HUB | {"crs": "EPSG:4326"}, "projected system with metres"),
        (HUB | {"crs": "+proj=utm +zone=32 +ellps=krass"}, "EPSG code"),
        (HUB | {"base_url": "sh.dataspace.copernicus.eu"}, "must be an address"),
        (
            HUB | {"base_url": "https://me:secret@sh.dataspace.copernicus.eu"},
            "must not hold a user name or password",
        ),
        (HUB | {"client_secret": "x"}, "extra"),
        (HUB | {"choose": {"rule": "median"}}, "dates"),
        (STAC | {"profile": None}, "without a profile, give url, collection, assets and scaling"),
        (STAC | {"assets": {"B02": "blue"}}, "assets lacks B03, B04, B08, SCL"),
    ],
)
def test_what_cannot_be_meant_is_refused(scene: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence) as caught:
        checked(scene)
    assert "secret@" not in str(caught.value.errors()[0]["msg"])


def test_what_one_need_not_say_has_a_default() -> None:
    scene = checked(HUB)
    assert scene.bands == ["B02", "B03", "B04", "B08"]
    assert scene.request_px == 2304
    assert scene.choose.rule == "least_cloud"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2023-06-14T10:26:00Z", "2023-06-14T10:26:00Z"),
        ("2023-06-14T10:26:00.5+02:00", "2023-06-14T10:26:00.5+02:00"),
        ("2023-06-14", "2023-06-14T00:00:00Z"),
        (dt.date(2023, 6, 14), "2023-06-14T00:00:00Z"),
        (dt.datetime(2023, 6, 14, 10, 26, tzinfo=dt.UTC), "2023-06-14T10:26:00Z"),
    ],
)
def test_the_text_of_a_scenes_time_is_kept_and_a_date_is_its_first_second(given: Any, kept: str) -> None:
    local = {"provider": "local", "path": "scene.tif", "bands": {"red": 1}}
    assert checked(local | {"datetime": given}).datetime == kept
    assert checked(local).datetime is None
