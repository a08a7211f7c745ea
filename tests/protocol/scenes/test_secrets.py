"""Planted secrets appear nowhere: not in what is delivered or kept, not in logs, not in sentences."""

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import stages.scene
from tests.conftest import ROOT
from tests.protocol.scenes.conftest import Town
from tests.protocol.scenes.nominatim import TOWN
from tests.protocol.scenes.server import CLIENT_ID, CLIENT_SECRET, SAS_TOKEN
from urbanseg.config.labels import OsmLabels
from urbanseg.config.params import load
from urbanseg.imagery.sentinel2 import area as area_of
from urbanseg.imagery.sentinel2.retry import ResponseError
from urbanseg.imagery.sentinel2.stac import Stac
from urbanseg.workflows import city_pipelines

FATES = [
    ("cdse", None, {}),
    ("cdse", "/process", {"kind": "status", "code": 400, "skip": 5, "times": 99}),
    ("cdse", "/process", {"kind": "cut", "skip": 5, "times": 99}),
    ("cdse", "/process", {"kind": "truncate", "skip": 5, "times": 99}),
    ("planetary_computer", None, {}),
    ("planetary_computer", "/cogs/", {"kind": "truncate", "skip": 30, "times": 9999}),
    ("planetary_computer", "/cogs/", {"kind": "status", "code": 403, "skip": 30, "times": 9999}),
]


def shown(town: Town, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> str:
    """All that a person or DVC could see of a run at the most talkative level of logging."""
    caplog.set_level(logging.DEBUG)
    said = ""
    try:
        stages.scene.main()
    except SystemExit as stop:
        said = "".join(traceback.format_exception(stop)) + repr(stop)
    files = [path.read_bytes().decode("latin-1") for path in town.folder.rglob("*") if path.is_file()]
    assert any("scene" in text for text in files)
    captured = capfd.readouterr()
    return "\n".join([said, caplog.text, captured.out, captured.err, *files])


@pytest.mark.parametrize(("provider", "path", "fault"), FATES, ids=str)
def test_no_secret_is_shown(
    town: Town,
    provider: str,
    path: str | None,
    fault: dict,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    town.side = 256
    town.write(town.scene(provider, patience={"attempts": 2, "wait_s": 0.01, "timeout_s": 5}))
    if path:
        town.archive.fail(path, **fault)
    text = shown(town, caplog, capfd)
    secrets = [CLIENT_ID, CLIENT_SECRET, SAS_TOKEN.removeprefix("sig="), *town.archive.issued()]
    assert len(secrets) >= 4
    assert [secret for secret in secrets if secret in text] == []


@pytest.mark.parametrize("wrong", ["SH_CLIENT_ID", "SH_CLIENT_SECRET"])
def test_wrong_credentials_are_one_sentence_without_them(
    town: Town,
    wrong: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(wrong, "wr0ng-and-still-s3cret")
    town.write(town.scene("cdse"))
    text = shown(town, caplog, capfd)
    assert (
        "/oauth/token refuses the credentials (invalid_client); check SH_CLIENT_ID and SH_CLIENT_SECRET"
        in text
    )
    assert "wr0ng" not in text
    assert CLIENT_SECRET not in text
    assert town.archive.count("/oauth/token") == 1


def test_missing_credentials_are_one_sentence(
    town: Town, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SH_CLIENT_SECRET")
    assert "there are no credentials for the provider sentinelhub; set SH_CLIENT_ID" in town.refusal("cdse")
    assert not (tmp_path / "config").exists()


def test_credentials_come_from_the_packages_own_profile_file(
    town: Town, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SH_CLIENT_ID")
    monkeypatch.delenv("SH_CLIENT_SECRET")
    monkeypatch.setenv("SH_PROFILE", "town")
    folder = tmp_path / "config" / "sentinelhub"
    folder.mkdir(parents=True)
    profile = f'[town]\nsh_client_id = "{CLIENT_ID}"\nsh_client_secret = "{CLIENT_SECRET}"\n'
    (folder / "config.toml").write_text(profile)
    town.side = 64
    town.run("cdse")
    assert Path("data/scene/town/scene.tif").exists()
    monkeypatch.setenv("SH_PROFILE", "village")
    with pytest.raises(SystemExit, match=r"config\.toml: Profile `village` not found.*; correct SH_PROFILE"):
        town.run("cdse")


PLANTED = "pl4nted-77aa"
ECHOES = [
    f"see https://bob:{PLANTED}@127.0.0.1/api",
    f"no such key: https://{PLANTED}@127.0.0.1/api?key={PLANTED}",
    json.dumps({"code": "Forbidden", "description": "no", "api_key": PLANTED}),
    f"Authorization: Bearer {PLANTED}",
    f"the value {PLANTED} is unknown",  # known from the environment
]


@pytest.fixture
def closed() -> str:
    """An address at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize("echo", ECHOES, ids=range(len(ECHOES)))
def test_a_secret_that_a_catalogue_repeats_is_not_shown(
    town: Town,
    echo: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if echo == ECHOES[-1]:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PLANTED)
    town.archive.fail("/search", "status", code=400, body=echo, times=99)
    town.write(town.scene("earth_search", patience={"attempts": 2, "wait_s": 0.01, "timeout_s": 5}))
    text = shown(town, caplog, capfd)
    assert "its catalogue does not answer properly" in text
    assert len(town.archive.met()) >= 2
    assert PLANTED not in text


def test_an_unreachable_catalogue_is_named_without_the_query(town: Town, closed: str) -> None:
    """The client is given the address that parameters cannot have, so that urllib3's sentence holds it."""
    town.write(town.scene("earth_search", patience={"attempts": 1, "wait_s": 0, "timeout_s": 5}))
    scene: Any = load(Path("params.yaml")).cities["town"].scene
    area = area_of.find(scene.area, scene.patience)
    for address in (f"{closed}/stac?key={PLANTED}", f"{closed}/stac?{PLANTED}"):
        archive = Stac(scene.model_copy(update={"url": address}))
        with pytest.raises(ResponseError, match="Max retries exceeded") as caught:
            archive.search(area)
        assert PLANTED not in "".join(traceback.format_exception(caught.value)) + repr(caught.value)


def test_what_an_archive_says_enters_the_item_without_secrets() -> None:
    grid = area_of.grid(area_of.Area("x", TOWN), "EPSG:32632", 10.0)
    properties = {
        "source:archive": {"url": f"https://{PLANTED}@127.0.0.1/stac?key={PLANTED}"},
        "source:products": [{"id": f"https://bob:{PLANTED}@127.0.0.1/S2A", "baseline": "05.09"}],
        "providers": [{"name": f"token={PLANTED}"}],
    }
    text = json.dumps(stages.scene.item.describe("town", grid, ["B02"], None, properties, []))
    assert PLANTED not in text
    assert '"url": "https://127.0.0.1/stac"' in text
    assert '"baseline": "05.09"' in text


def repro(town: Town) -> tuple[int, str]:
    """`dvc repro` of the scene stage alone; its exit code, and all it shows or writes but params.yaml."""
    (town.folder / "regions").mkdir()
    shutil.copy(ROOT / "regions/template.yaml", town.folder / "regions/template.yaml")
    for pipeline, stage in (("dvc.yaml", "params"), ("cities/template.yaml", "scene")):
        text = (ROOT / pipeline).read_text().replace("{inputs}", "inputs.txt")
        alone = {"stages": {stage: yaml.safe_load(text)["stages"][stage]}}
        (town.folder / pipeline).parent.mkdir(exist_ok=True)
        (town.folder / pipeline).write_text(yaml.safe_dump(alone, sort_keys=False))
    city_pipelines.update(
        town.folder / "cities", {"town": SimpleNamespace(inputs="inputs.txt", labels=OsmLabels(source="osm"))}
    )
    for name in ("stages", "urbanseg"):
        (town.folder / name).symlink_to(ROOT / name)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    said = ""
    for command in (["init", "--no-scm", "--quiet"], ["repro", "--verbose", "cities/town/dvc.yaml"]):
        done = subprocess.run(
            ["dvc", *command], cwd=town.folder, env=environment, capture_output=True, text=True, check=False
        )
        said += done.stdout + done.stderr
    written = [path for path in town.folder.rglob("*") if path.is_file() and path.name != "params.yaml"]
    return done.returncode, said + "".join(path.read_bytes().decode("latin-1") for path in written)


def with_inputs(town: Town, scene: dict[str, Any]) -> None:
    """params.yaml with this scene, of a city that watches one file."""
    (town.folder / "inputs.txt").write_text("x")
    town.write(scene)
    path = town.folder / "params.yaml"
    path.write_text(path.read_text().replace("inputs: .\n", "inputs: inputs.txt\n"))


def test_dvc_records_a_scene_without_the_credentials_it_was_fetched_with(town: Town) -> None:
    town.side = 64
    with_inputs(town, town.scene("planetary_computer"))
    code, text = repro(town)
    assert code == 0, text
    lock = (town.folder / "cities/town/dvc.lock").read_text()
    assert "data/scene/town" in lock
    assert f"{town.url}/sas" in lock
    assert '"source:products"' in text
    for secret in (CLIENT_ID, CLIENT_SECRET, SAS_TOKEN.removeprefix("sig=")):
        assert secret not in text


@pytest.mark.parametrize(
    "form",
    [
        "http://bob:{}@127.0.0.1/x",
        pytest.param("http://{}@127.0.0.1/x", marks=pytest.mark.slow),
        pytest.param("http://127.0.0.1/?key={}", marks=pytest.mark.slow),
    ],
)
def test_dvc_runs_no_stage_with_a_secret_in_its_parameters_and_records_nothing(town: Town, form: str) -> None:
    address = form.format(PLANTED)
    with_inputs(town, town.scene("planetary_computer", sas_url=address))
    assert PLANTED in (town.folder / "params.yaml").read_text()
    code, text = repro(town)
    assert code != 0
    assert "error: params.yaml: cities.town.scene.sas_url: must not hold a user name or password" in text
    assert not list(town.folder.rglob("dvc.lock"))
    assert PLANTED not in text
