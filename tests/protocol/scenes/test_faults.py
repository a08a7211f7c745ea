"""Whatever goes wrong on the way ends in the right scene, or in one sentence and nothing half-written."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.protocol.scenes.conftest import PRODUCTS, Town
from tests.protocol.scenes.world import LEFT, TOP, Product, day

BANDS = ("B02", "B03", "B04", "B08")
PIXELS = {"cdse": "/process", "earth_search": "/cogs/", "planetary_computer": "/cogs/"}
IMPATIENT = {"attempts": 4, "wait_s": 0.02, "timeout_s": 0.5}
PASSING: list[tuple[str, dict[str, Any]]] = [
    ("status", {"code": 429, "headers": {"Retry-After": "0"}}),
    ("status", {"code": 429}),
    ("status", {"code": 503, "times": 2}),
    ("cut", {}),
    ("truncate", {}),
    ("html", {}),
    ("stall", {"seconds": 60}),
]
LARGE = Product(day(6, 14), 0.02, bounds=(LEFT - 1000, TOP - 20_000, LEFT + 20_000, TOP + 1000))


def is_right(town: Town, product: Product = PRODUCTS[1], bands: tuple[str, ...] = BANDS) -> bool:
    scene, scl = town.delivered()
    codes = product.codes(*town.window())
    return bool((scene == town.expected(product, bands)).all() and (scl == codes).all())


@pytest.mark.parametrize("provider", PIXELS)
@pytest.mark.parametrize("first", [0, 6])
def test_pixels_arrive_in_spite_of_all_that_passes(town: Town, provider: str, first: int) -> None:
    for kind, how in PASSING:
        town.archive.fail(PIXELS[provider], kind, skip=first, **how)
        first = 1
    town.run(provider, patience=IMPATIENT | {"attempts": 8}, request_px=256)
    assert is_right(town)
    assert sorted(town.archive.met()) == sorted(
        kind for kind, how in PASSING for _ in range(how.get("times", 1))
    )


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        ("cdse", "/search"),
        ("cdse", "/oauth/token"),
        ("earth_search", "/search"),
        ("planetary_computer", "/sas/"),
    ],
)
def test_catalogues_and_tokens_arrive_in_spite_of_all_that_passes(
    town: Town, provider: str, path: str
) -> None:
    town.side = 64
    for kind, how in PASSING:
        town.archive.fail(path, kind, **how)
    town.run(provider, patience={"attempts": 12, "wait_s": 0.001, "timeout_s": 0.5})
    assert is_right(town)
    assert town.archive.met() == [kind for kind, how in PASSING for _ in range(how.get("times", 1))]


@pytest.mark.parametrize("provider", ["cdse", "planetary_computer"])
def test_a_token_that_runs_out_in_mid_download_is_replaced(town: Town, provider: str) -> None:
    town.archive.fail(PIXELS[provider], "expire", skip=7)
    town.run(provider)
    assert is_right(town)
    assert town.archive.count("/oauth/token|/sas/") in {2, 3}  # two chunks are fetched at a time


def test_a_token_is_renewed_before_it_runs_out(town: Town) -> None:
    town.archive.reset(PRODUCTS, token_seconds=1)
    town.run("cdse")
    assert is_right(town)
    assert town.archive.count("/oauth/token") > 2


def test_retry_after_is_waited_for(town: Town) -> None:
    town.archive.fail("/process", "status", code=429, headers={"Retry-After": "400"})  # milliseconds there
    town.run("cdse", request_px=512)
    first, *later = town.archive.matching("/process")
    (again,) = [request for request in later if request.body == first.body]
    assert again.seconds - first.seconds >= 0.4
    assert is_right(town)


@pytest.mark.parametrize("provider", PIXELS)
def test_a_part_without_data_where_its_preview_has_some_is_asked_for_again(town: Town, provider: str) -> None:
    town.refusal(provider, min_clear=1.0)  # previews are fetched, and kept
    path = "/process" if provider == "cdse" else "/(scl|SCL).tif"
    town.archive.fail(path, "nodata", times=1 if provider == "cdse" else 8)
    town.run(provider, patience=IMPATIENT)
    assert is_right(town)
    assert "nodata" in town.archive.met()


def test_the_geocoder_answers_in_spite_of_all_that_passes(town: Town) -> None:
    for kind, how in PASSING:
        town.archive.fail("/geocoder", kind, **how)
    place = {"place": "Freiburg im Breisgau", "geocoder": f"{town.url}/geocoder"}
    town.run("cdse", area=place, patience={"attempts": 12, "wait_s": 0.001, "timeout_s": 0.5})
    assert is_right(town)
    assert len(town.archive.met()) == len(PASSING) + 1


FOREVER = [
    ("cdse", "/process", "nodata", {"skip": 4}, "a chunk of the scene holds no data where its preview does"),
    ("cdse", "/process", "nodata", {}, "0 % of town.geojson is seen clearly on no of 4 acquisitions"),
    ("cdse", "/process", "truncate", {}, "it sent a damaged TIFF, 2 times in a row"),
    ("cdse", "/process", "truncate", {"skip": 4}, "it sent a damaged TAR archive, 2 times in a row"),
    ("cdse", "/process", "html", {}, "it sent text/html where an image was asked for, 2 times in a row"),
    ("cdse", "/process", "status", {"code": 503}, "Copernicus Data Space answered 503: .*told to fail"),
    ("cdse", "/process", "status", {"code": 429}, "still answers 429 .too many requests. after 8 times"),
    ("cdse", "/process", "status", {"code": 403}, "Copernicus Data Space answered 403: .*told to fail"),
    ("cdse", "/process", "cut", {}, "cannot be reached at http.* check the connection"),
    ("cdse", "/process", "stall", {}, "cannot be reached at http.* check the connection"),
    ("cdse", "/search", "html", {}, "its answer cannot be read .JSONDecodeError., 2 times in a row"),
    ("cdse", "/oauth/token", "html", {}, "/oauth/token gives no token, 2 times in a row"),
    ("earth_search", "/cogs/", "truncate", {}, "its images cannot be read"),
    ("earth_search", "/cogs/", "html", {}, "its images cannot be read"),
    ("earth_search", "/cogs/", "status", {"code": 503}, "its images cannot be read"),
    ("earth_search", "/cogs/", "cut", {}, "its images cannot be read"),
    ("earth_search", "/search", "status", {"code": 503}, "its catalogue does not answer properly"),
    ("earth_search", "/search", "html", {}, "Earth Search: its catalogue does not answer properly"),
    ("cdse", "/geocoder", "status", {"code": 503}, r"/geocoder: it did not answer .HTTPError., 2 times"),
    ("planetary_computer", "/sas/", "status", {"code": 503}, "gives no token .HTTPError., 2 times in a row"),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "path", "kind", "how", "sentence"), FOREVER, ids=str)
def test_what_does_not_pass_is_one_sentence_and_leaves_nothing_half_written(
    town: Town, provider: str, path: str, kind: str, how: dict[str, Any], sentence: str
) -> None:
    town.side = 128
    town.archive.fail(path, kind, times=1000, **how)
    area = {"area": {"place": "Kiosk", "geocoder": f"{town.url}/geocoder"}} if "geocoder" in path else {}
    assert re.search(sentence, town.refusal(provider, patience=IMPATIENT | {"attempts": 2}, **area))


def test_a_run_broken_in_the_middle_of_36_requests_asks_only_for_the_missing_ones(town: Town) -> None:
    town.side = 6 * 256
    town.archive.reset([LARGE])
    town.archive.fail("/process", "status", code=400, skip=21, times=1000)
    town.refusal("cdse", bands=["B02"])
    good = town.archive.count("/process") - len(town.archive.met())
    assert good == 21

    town.archive.reset([LARGE])
    town.run("cdse", bands=["B02"])
    assert town.archive.count("/process") == 36 + 1 - good
    assert is_right(town, LARGE, ("B02",))


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_where_it_was(town: Town) -> None:
    town.side = 6 * 256
    town.archive.reset([LARGE])
    town.archive.fail("/process", "stall", skip=16, times=1000, seconds=20)
    town.write(town.scene("cdse", bands=["B02"]))
    run = subprocess.Popen(
        [sys.executable, "-m", "stages.scene", "town"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    while len(town.archive.met()) < 2:
        assert run.poll() is None
        time.sleep(0.1)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not Path("data/scene/town").exists()

    town.archive.reset([LARGE])
    town.run("cdse", bands=["B02"])
    assert town.archive.count("/process") == 36 + 1 - 16
    assert is_right(town, LARGE, ("B02",))


def test_an_offset_that_was_taken_twice_is_noticed(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    june = Product(day(6, 14), 0.0)  # Earth Search took the offset from its June itself
    town.archive.reset([june])
    town.run("earth_search")
    assert "offset" not in caplog.text
    town.run("earth_search", scaling="baseline")
    assert "of the pixels of B0" in caplog.text
    assert "the archive may say wrongly whether the offset of baseline 04.00" in caplog.text
