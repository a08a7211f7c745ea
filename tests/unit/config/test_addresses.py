"""An address that the user gives is asked for, and ends in one sentence where nothing comes back."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tests.unit.io.counting import counting
from tests.unit.io.hostile import source, tagged, tif, vrt
from urbanseg.cli.main import execute
from urbanseg.config.addresses import address, host, plain_host, require_allowed
from urbanseg.config.scene import LocalScene, StacScene
from urbanseg.errors import PipelineError
from urbanseg.imagery import item
from urbanseg.imagery.local import raster_copy
from urbanseg.io import drivers, raster
from urbanseg.workflows import map_many


def scene(**changes: object) -> LocalScene:
    return LocalScene.model_validate({"provider": "local", "bands": {"red": 1}} | changes)


def copied(params: LocalScene, folder: Path) -> np.ndarray:
    raster_copy.copy(params, folder / "out/scene.tif", folder / "out/scl.tif")
    with raster.reading(folder / "out/scene.tif") as file:
        return file.read()


@pytest.mark.parametrize("prefix", ["", "/vsicurl/"])
def test_a_scene_a_mask_and_a_grid_may_be_at_an_address(prefix: str, tmp_path: Path) -> None:
    served = tmp_path / "served"
    for name in ("a.tif", "b.tif", "c.tif"):
        tif(served / name, 5)
    with counting(tmp_path, str(served)) as counter:
        url = f"{prefix}{counter.url}"
        assert (copied(scene(path=f"{url}/a.tif"), tmp_path) == 5).all()
        here = tif(tmp_path / "here.tif", 6)
        for change in ({"like": f"{url}/b.tif"}, {"mask": {"path": f"{url}/c.tif", "kind": "valid"}}):
            assert (copied(scene(path=here, **change), tmp_path) == 6).all()
        assert {line.split()[1] for line in counter.asked()} == {"/a.tif", "/b.tif", "/c.tif"}
        assert item.source(Path(f"{url}/a.tif")) == {"source:href": f"{counter.url}/a.tif"}


def test_a_server_that_never_answers_ends_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GDAL_HTTP_LOW_SPEED_TIME", "1")  # instead of ten, for the test
    with counting(tmp_path, "stall") as counter:
        began = time.monotonic()
        with pytest.raises(PipelineError, match=rf"{counter.url}/a\.tif does not answer") as refusal:
            copied(scene(path=f"{counter.url}/a.tif"), tmp_path)
        assert time.monotonic() - began < 45
        assert counter.asked()
    assert drivers.WAITING.keys() <= os.environ.keys()
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "out/scene.tif").exists()


def test_a_server_without_the_file_or_none_at_all_ends_in_a_sentence(tmp_path: Path) -> None:
    with counting(tmp_path) as counter:
        url = counter.url
        with pytest.raises(PipelineError, match=r"a\.tif does not answer with a raster"):
            copied(scene(path=f"{url}/a.tif"), tmp_path)
        assert counter.asked()
    with pytest.raises(PipelineError, match=r"a\.tif does not answer with a raster"):
        copied(scene(path=f"{url}/a.tif"), tmp_path)


def test_what_an_address_sends_may_name_nothing(tmp_path: Path) -> None:
    served = tmp_path / "served"
    vrt(served / "a.vrt", source(str(tif(tmp_path / "x.tif"))))
    tagged(served / "b.tif", str(tmp_path / "x.tif"))
    with counting(tmp_path, str(served)) as counter:
        with pytest.raises(PipelineError, match="does not answer with a raster"):
            copied(scene(path=f"{counter.url}/a.vrt"), tmp_path)
        with pytest.raises(PipelineError, match="names other files in its metadata"):
            copied(scene(path=f"{counter.url}/b.tif"), tmp_path)


@pytest.mark.parametrize("key", ["path", "like", "mask"])
def test_an_address_with_a_password_is_refused_by_the_parameters(key: str) -> None:
    url = "https://me:secret@example.org/a.tif"
    value = {"path": url, "kind": "scl"} if key == "mask" else url
    with pytest.raises(ValidationError, match="must not hold a user name or password"):
        scene(**({"path": "a.tif"} | {key: value}))
    with pytest.raises(PipelineError, match="must not hold a user name"), raster.reading(Path(url)):
        pass


@pytest.mark.parametrize("path", ["/vsis3/b/a.tif", "s3://b/a.tif", "/vsizip/a.zip/a.tif", "ftp://h/a.tif"])
def test_other_places_are_no_addresses(path: str) -> None:
    assert address(Path(path)) is None
    with pytest.raises(PipelineError, match="does not exist"), raster.reading(Path(path)):
        pass


def test_map_takes_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Path] = []
    monkeypatch.setattr(map_many, "gather", lambda images, **_: taken.extend(images) or [])
    monkeypatch.chdir(tmp_path)
    execute(["map", "https://example.org/a.tif", "out"])
    assert [address(path) for path in taken] == ["https://example.org/a.tif"]


@pytest.mark.parametrize(
    ("href", "name"),
    [
        ("https://Data.Example.ORG./a", "data.example.org"),
        ("https://data.example.org:443/a", "data.example.org"),
        ("http://127.0.0.1:8080/a", "127.0.0.1:8080"),
        ("https://[::1]:8443/a", "[::1]:8443"),
    ],
)
def test_a_host_is_written_in_one_way(href: str, name: str) -> None:
    assert host(href) == name
    require_allowed(href, {name}, ["https", "http"], "it")


@pytest.mark.parametrize(
    "href",
    [
        "https://evil.org/a", "https://good.org.evil.org/a", "https://good.org@evil.org/a", "https://a:b@good.org/a",
        "https://evil.org#@good.org/a", "https://evil.org\\@good.org/a", "https://good.org:8443/a", "http://good.org/a",
        "s3://good.org/a", "file:///etc/passwd", "/etc/passwd", "../a.tif", "/vsicurl/https://good.org/a", "",
        "https:///a", "https:good.org/a", "//good.org/a", "https://good.org%2eevil.org/a", "https://good.org\t.evil.org/",
        "https://ｇood.org/a", "ftp://good.org/a", "https://good.org:x/a", "https://[good.org/a", "HTTP://good.org/a",
    ],
)  # fmt: skip
def test_an_address_elsewhere_is_refused_in_one_sentence(href: str) -> None:
    with pytest.raises(PipelineError, match=r"^the Item x names ") as refusal:
        require_allowed(href, {"good.org"}, ["https"], "the Item x")
    assert "\n" not in str(refusal.value)
    assert "a:b" not in str(refusal.value)


def test_hosts_are_names_with_perhaps_a_port() -> None:
    assert plain_host("Data.Example.org:8443") == "data.example.org:8443"
    for wrong in ("https://a.org", "a.org/b", "*.a.org", "u@a.org", "", "a b"):
        with pytest.raises(ValueError, match="must be a host"):
            plain_host(wrong)
        with pytest.raises(ValidationError, match="must be a host"):
            StacScene.model_validate(
                {"provider": "stac", "profile": "earth_search", "area": {"bbox": [0, 0, 1, 1]},
                 "dates": "2023-05-01/2023-05-02", "hosts": [wrong]}
            )  # fmt: skip
