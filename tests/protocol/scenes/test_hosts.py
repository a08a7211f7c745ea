"""What a STAC API names on hosts that nobody allowed is not asked for, and gets no token."""

import re
from pathlib import Path

import pytest

from tests.protocol.scenes.conftest import PRODUCTS, Town
from tests.protocol.scenes.server import SAS_TOKEN
from tests.unit.io.counting import Counter, counting
from tests.unit.io.hostile import source, vrt
from urbanseg.config.scene import StacScene
from urbanseg.imagery.sentinel2 import stac

STAC = ("earth_search", "planetary_computer")


@pytest.fixture
def stranger(tmp_path: Path):
    """Another server, which counts what it is asked."""
    with counting(tmp_path) as served:
        yield served


@pytest.mark.parametrize("provider", STAC)
def test_an_image_on_another_host_is_refused_by_name(provider: str, town: Town, stranger: Counter) -> None:
    town.archive.point(images=stranger.url)
    sentence = town.refusal(provider)
    host = stranger.url.removeprefix("http://")
    assert re.search(
        rf"the asset \w+ of the STAC Item S2A_\S+ names the host {host}, which is none of", sentence
    )
    assert "add it to hosts of the scene" in sentence
    assert stranger.asked() == []


def test_a_host_that_the_parameters_allow_is_asked(town: Town, stranger: Counter) -> None:
    town.archive.point(images=stranger.url)
    host = stranger.url.removeprefix("http://")
    assert "images cannot be read" in town.refusal("earth_search", hosts=[host])
    assert stranger.asked()


def test_the_same_server_by_another_name_is_another_host_until_it_is_allowed(town: Town) -> None:
    other = town.url.replace("127.0.0.1", "localhost")
    town.archive.point(images=other)
    assert "names the host localhost:" in town.refusal("earth_search")
    town.run("earth_search", hosts=[other.removeprefix("http://")])
    assert (town.delivered()[0] == town.expected(PRODUCTS[1])).all()


@pytest.mark.parametrize(
    "images",
    [
        "{own}@{other}", "http://user:key@{host}", "/etc", "file:///etc", "/vsicurl/{own}", "s3://bucket",
        "..", "gs://bucket", "vrt://{own}", "//{rest}",
    ],
)  # fmt: skip
def test_another_kind_of_address_is_refused(images: str, town: Town, stranger: Counter) -> None:
    own, rest = town.url, stranger.url.removeprefix("http://")
    text = images.format(own=own, other=rest, host=own.removeprefix("http://"), rest=rest)
    town.archive.point(images=text)
    sentence = town.refusal("planetary_computer")
    assert re.search(r"the asset B02 of the STAC Item S2A_\S+ names '", sentence)
    assert SAS_TOKEN not in sentence
    assert "user:key" not in sentence
    assert stranger.asked() == []
    assert not town.archive.count("/cogs/")


def test_the_next_page_on_another_host_is_not_asked_for(town: Town, stranger: Counter) -> None:
    town.archive.point(pages=stranger.url)
    assert "a link of Earth Search names the host" in town.refusal("earth_search")
    assert stranger.asked() == []


@pytest.mark.parametrize("place", ["/etc/passwd", "file:///etc/passwd"])
def test_the_next_page_in_a_file_is_not_read(place: str, town: Town) -> None:
    town.archive.point(pages=place)
    assert "a link of Earth Search names" in town.refusal("earth_search")


@pytest.mark.parametrize("provider", STAC)
@pytest.mark.parametrize("path", ["/stac/[^/]+$", "/search", "/cogs/"])
def test_a_redirect_to_another_host_is_not_followed(
    provider: str, path: str, town: Town, stranger: Counter
) -> None:
    place = {"Location": f"{stranger.url}/x.tif"}
    town.archive.fail(path, "status", times=9999, code=302, headers=place)
    assert "a redirect of" in town.refusal(provider)
    assert stranger.asked() == []


@pytest.mark.parametrize(
    ("path", "place"), [("/search", "/stac/earth_search/search"), ("/stac/[^/]+$", None)]
)
def test_a_redirect_on_the_same_host_is_followed(path: str, place: str | None, town: Town) -> None:
    where = f"{town.url}{place or '/stac/earth_search'}"
    town.archive.fail(path, "status", code=307, headers={"Location": where})
    town.run("earth_search")
    assert town.archive.met() == ["status"]
    assert (town.delivered()[0] == town.expected(PRODUCTS[1])).all()


def test_a_redirect_of_the_token_is_not_followed(town: Town, stranger: Counter) -> None:
    place = {"Location": f"{stranger.url}/token"}
    town.archive.fail("/sas/", "status", times=9999, code=302, headers=place)
    town.refusal("planetary_computer")
    assert stranger.asked() == []


def test_a_redirect_of_the_geocoder_is_not_followed(town: Town, stranger: Counter) -> None:
    place = {"Location": f"{stranger.url}/search?q=Kiosk"}
    town.archive.fail("/geocoder", "status", times=9999, code=302, headers=place)
    sentence = town.refusal("cdse", area={"place": "Kiosk", "geocoder": f"{town.url}/geocoder"})
    assert "/geocoder redirects to 127.0.0.1; set area.geocoder to the address that answers" in sentence
    assert stranger.asked() == []


def test_a_vrt_in_the_place_of_an_image_is_not_opened(town: Town, tmp_path: Path, stranger: Counter) -> None:
    served = tmp_path / "served"
    for product in PRODUCTS:
        folder = served / "cogs/earth_search" / product.id
        folder.mkdir(parents=True)
        vrt(folder / "scl.tif", source(f"/vsicurl/{stranger.url}/x.tif"))
    (tmp_path / "images").mkdir()
    with counting(tmp_path / "images", str(served)) as images:
        town.archive.point(images=images.url)
        assert "is a VRT" in town.refusal("earth_search", hosts=[images.url.removeprefix("http://")])
        assert images.asked()
    assert stranger.asked() == []


@pytest.mark.parametrize("provider", STAC)
def test_a_profile_allows_its_own_hosts_over_https_alone(provider: str) -> None:
    params = StacScene.model_validate(
        {"provider": "stac", "profile": provider, "area": {"bbox": [9, 48, 9.1, 48.1]},
         "dates": "2023-05-01/2023-07-31"}
    )  # fmt: skip
    allowed = stac.Stac(params).allowed
    assert allowed.schemes == ("https",)
    assert len(allowed.hosts) > 1
    assert not any(name.startswith(("*", "127.", "localhost")) for name in allowed.hosts)
