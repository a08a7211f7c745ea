"""The table of what there is tells no secret, and its exit code tells what is missing."""

import re
import socket
import time
import tomllib

import pytest
import rasterio

from tests.conftest import ROOT
from urbanseg.cli.main import execute
from urbanseg.cli.verbs import doctor

VARIABLES = (
    "SH_CLIENT_ID", "SH_CLIENT_SECRET", "DATABASE_URL", "PGHOST", "PGSERVICE",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SHARED_CREDENTIALS_FILE",
)  # fmt: skip
HUB = "credentials: Sentinel Hub or Copernicus Data Space"


@pytest.fixture(autouse=True)
def no_accounts(tmp_path, monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))


def table(capsys):
    return {line[:50].rstrip().split("  ")[0]: line for line in capsys.readouterr().out.splitlines()}


def test_the_core_is_what_the_package_depends_on():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert sorted(doctor.CORE) == sorted(project["dependencies"])
    for name, extra in doctor.EXTRAS.items():
        assert name in project["optional-dependencies"][extra]


def test_credentials_are_there_or_not_and_never_shown(monkeypatch, capsys):
    monkeypatch.setenv("SH_CLIENT_ID", "planted-id")
    monkeypatch.setenv("SH_CLIENT_SECRET", "planted-secret")
    execute(["doctor", "--offline"])
    rows = table(capsys)
    assert " ok " in rows[HUB]
    assert " absent " in rows["credentials: PostGIS"]
    assert " absent " in rows["credentials: S3"]
    assert "planted" not in "".join(rows.values())
    assert " ok " in rows["rasterio"]
    assert " ok " in rows["GDAL, rasters"]
    assert " ok " in rows["GDAL, vectors"]
    assert not [name for name in rows if name.startswith("network:")]


def test_accounts_in_the_files_of_their_tools_count(tmp_path, monkeypatch, capsys):
    profile = tmp_path / "settings/sentinelhub/config.toml"
    profile.parent.mkdir(parents=True)
    profile.write_text("[default]\nsh_client_id = ''\nsh_client_secret = ''\n")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text("[default]\naws_secret_access_key = planted\n")
    monkeypatch.setenv("PGSERVICE", "planted")
    execute(["doctor", "--offline"])
    rows = table(capsys)
    assert " absent " in rows[HUB]
    assert " ok " in rows["credentials: S3"]
    assert " ok " in rows["credentials: PostGIS"]
    profile.write_text("[cdse]\nsh_client_id = 'planted'\nsh_client_secret = 'planted'\n")
    execute(["doctor", "--offline"])
    rows |= table(capsys)
    assert " ok " in rows[HUB]
    assert "planted" not in "".join(rows.values())


@pytest.mark.parametrize(
    ("core", "sentence"),
    [
        ({"no-such-package": "no_such_package"}, "needed by everything"),
        ({"numpy": "no_such_module"}, r"does not load \(No module named 'no_such_module'\)"),
    ],
)
def test_a_missing_core_package_is_an_exit_code(monkeypatch, capsys, core, sentence):
    monkeypatch.setattr(doctor, "CORE", core)
    with pytest.raises(SystemExit) as stop:
        execute(["doctor", "--offline"])
    assert stop.value.code == 1
    assert re.search(f" missing .*{sentence}", table(capsys)[next(iter(core))])


def test_a_missing_driver_is_named(monkeypatch, capsys):
    known = rasterio.Env().drivers
    monkeypatch.setattr(
        rasterio.Env, "drivers", lambda _: {k: v for k, v in known().items() if k not in {"COG", "HFA"}}
    )
    with pytest.raises(SystemExit) as stop:
        execute(["doctor", "--offline"])
    assert stop.value.code == 1
    assert re.search(r" missing .*without COG, HFA", table(capsys)["GDAL, rasters"])


def test_the_memory_is_that_of_the_container(monkeypatch, capsys, tmp_path):
    limit = tmp_path / "memory.max"
    limit.write_text("2000000000\n")
    monkeypatch.setattr(doctor, "MEMORY_LIMIT", limit)
    execute(["doctor", "--offline"])
    assert re.search(r" low +2 GB", table(capsys)["memory"])


def test_a_server_that_cannot_be_reached_is_no_error(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "SERVERS", {"127.0.0.1": "nothing"})
    execute(["doctor"])
    assert " absent " in table(capsys)["network: nothing"]


def test_a_server_that_accepts_and_says_nothing_holds_nobody_up(monkeypatch):
    monkeypatch.setattr(doctor, "TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        rows = list(doctor._network({host: "a", "127.0.0.2:1": "b"}))
    assert time.monotonic() - began < 5
    assert [row.state for row in rows] == ["absent", "absent"]


def test_an_absent_extra_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "EXTRAS", {"no-such-package": "train"})
    execute(["doctor", "--offline"])
    assert "pip install 'urbanseg[train]'" in table(capsys)["no-such-package"]
