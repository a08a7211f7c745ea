"""Planted secrets appear in no sentence and no log of Overpass, of the database, or of what CI runs."""

import json
import shutil
import socket
import subprocess
import sys
import traceback
from pathlib import Path

import geopandas as gpd
import pytest

from ci import retrain
from tests.conftest import ROOT
from tests.protocol.overpass import Database, Fault, serving
from urbanseg import paths, redact
from urbanseg.config.labels import OverpassOsm, TagRule
from urbanseg.errors import PipelineError
from urbanseg.mapping.export import GEOMETRY_TYPES
from urbanseg.mapping.publishing import engine, publish
from urbanseg.osm import overpass_client
from urbanseg.osm.overpass import fetch_features

PLANTED = "pl4nted-77aa"
RULES = {"building": [TagRule(geometry="area", tags={"building": "*"})]}
TOWN = (10.0, 50.0, 10.01, 50.01)
ECHOES = [
    f"see https://bob:{PLANTED}@127.0.0.1/api/interpreter",
    f"bad request: https://{PLANTED}@127.0.0.1/api?key={PLANTED}",
    f"refused: api_key={PLANTED}",
    f"the value {PLANTED} is unknown",  # known from the environment
]
FAULTS = {
    "refuses the query": lambda echo: Fault(400, echo.encode(), "text/html"),
    "did not answer in JSON": lambda echo: Fault(200, echo.encode(), "text/html"),
    "gave an incomplete answer": lambda echo: Fault(
        200, json.dumps({"elements": [], "remark": f"runtime error: {echo}"}).encode()
    ),
}


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(overpass_client, "FIRST_WAIT_S", 0.01)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def closed() -> str:
    """Host and port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def printed(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error)


@pytest.mark.parametrize("echo", range(len(ECHOES)))
@pytest.mark.parametrize("says", FAULTS)
def test_a_secret_that_overpass_repeats_is_not_shown(
    says: str, echo: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    if echo == len(ECHOES) - 1:
        monkeypatch.setenv("OVERPASS_TOKEN", PLANTED)
    with serving(Database([])) as server:
        server.faults.extend(FAULTS[says](ECHOES[echo]) for _ in range(2))
        source = OverpassOsm(provider="overpass", address=server.address, attempts=2)
        with pytest.raises(PipelineError, match=says) as caught:
            fetch_features(source, RULES, TOWN, Path("cache"))
    assert PLANTED not in printed(caught.value) + caplog.text
    assert bool(caplog.records) == (says != "refuses the query")


@pytest.mark.parametrize("form", [f"bob:{PLANTED}@{{}}/", f"{PLANTED}@{{}}/", f"{{}}/?key={PLANTED}"])
def test_an_unreachable_overpass_is_named_without_the_secret(
    form: str, closed: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The client is given an address that parameters cannot have."""
    redact.install()
    source = OverpassOsm(provider="overpass", attempts=2)
    source = source.model_copy(update={"address": f"http://{form.format(closed)}"})
    with pytest.raises(PipelineError, match="cannot be reached") as caught:
        fetch_features(source, RULES, TOWN, Path("cache"))
    assert str(caught.value).startswith(f"http://{closed}/")
    assert PLANTED not in printed(caught.value)
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        f"http://{closed}/ cannot be reached, or cut the connection"
    ]


URLS = [
    f"postgresql://bob:{PLANTED}@{{}}/db",
    f"postgresql://{PLANTED}@{{}}/db",
    f"postgresql://{{}}/db?user=bob&password={PLANTED}",
    f"postgresql://bob:{PLANTED}@{{}}:port/db",
    f"postgresql://bob:a/{PLANTED}@{{}}/db",
    f"mysql://bob:{PLANTED}@{{}}/db",
    f"{PLANTED}",
]


@pytest.mark.parametrize("url", range(len(URLS)))
def test_an_unreachable_database_is_not_named(url: int, closed: str) -> None:
    with pytest.raises(PipelineError, match="DATABASE_URL") as caught:
        publish(engine(URLS[url].format(closed)), "maps", "town", "run", {})
    assert PLANTED not in printed(caught.value)


def test_publishing_shows_neither_password_nor_traceback(
    closed: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copy(ROOT / paths.PARAMS, paths.PARAMS)
    source = paths.geopackage("demo")
    source.parent.mkdir(parents=True)
    shutil.copy(made(tmp_path), source)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://bob:{PLANTED}@{closed}/db")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = subprocess.run(
        [sys.executable, "-m", "urbanseg.cli", "publish", "demo"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "error: the database could not be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert PLANTED not in done.stdout + done.stderr


def made(folder: Path) -> Path:
    """A GeoPackage with the layers that are published."""
    path = folder / "map.gpkg"
    point = gpd.GeoSeries.from_wkt(["POINT (0 0)"], crs=4326)
    for name in GEOMETRY_TYPES:
        gpd.GeoDataFrame({"id": [1]}, geometry=point).to_file(path, layer=name)
    return path


def test_what_commands_print_in_ci_is_redacted(capfd: pytest.CaptureFixture[str]) -> None:
    address = f"https://oauth2:{PLANTED}@127.0.0.1/maps.git"
    program = (
        f"import sys; print('to', {address!r}); print('from', {address!r}, file=sys.stderr); sys.exit(3)"
    )
    with pytest.raises(PipelineError, match="failed with code 3") as caught:
        retrain._run(sys.executable, "-c", program)
    assert not retrain._succeeds(sys.executable, "-c", program)
    with pytest.raises(PipelineError, match="failed: from https://127") as other:
        retrain._output(sys.executable, "-c", program)
    shown = capfd.readouterr()
    assert shown.out == "to https://127.0.0.1/maps.git\n"
    assert shown.err == "from https://127.0.0.1/maps.git\n" * 2
    assert PLANTED not in printed(caught.value) + printed(other.value)


@pytest.mark.parametrize("module", ["ci.compare", "ci.retrain"])
def test_the_commands_of_ci_end_in_a_sentence_without_secrets(module: str) -> None:
    """The folder is no repository, so each ends early, by a sentence or by a traceback."""
    revision = f"https://bob:{PLANTED}@127.0.0.1/maps.git"
    words = [revision] if module == "ci.compare" else ["--base", revision]
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=ROOT if module == "ci.compare" else None,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert PLANTED not in done.stdout + done.stderr
