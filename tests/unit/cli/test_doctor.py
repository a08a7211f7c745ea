"""The table of what there is tells no secret, and its exit code tells what is missing."""

import pytest

from urbanseg.cli.main import execute
from urbanseg.cli.verbs import doctor


def table(capsys):
    return {line[:50].rstrip().split("  ")[0]: line for line in capsys.readouterr().out.splitlines()}


def test_credentials_are_there_or_not_and_never_shown(monkeypatch, capsys):
    monkeypatch.setenv("SH_CLIENT_ID", "planted-id")
    monkeypatch.setenv("SH_CLIENT_SECRET", "planted-secret")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    execute(["doctor", "--offline"])
    rows = table(capsys)
    assert " ok " in rows["credentials: Sentinel Hub or Copernicus Data Space"]
    assert " absent " in rows["credentials: PostGIS"]
    assert "planted" not in "".join(rows.values())
    assert " ok " in rows["rasterio"]
    assert " ok " in rows["GDAL"]
    assert not [name for name in rows if name.startswith("network")]


def test_a_missing_core_package_is_an_exit_code(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "CORE", ("numpy", "no-such-package"))
    with pytest.raises(SystemExit) as stop:
        execute(["doctor", "--offline"])
    assert stop.value.code == 1
    assert "needed by everything" in table(capsys)["no-such-package"]


def test_a_server_that_cannot_be_reached_is_no_error(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "SERVERS", {"127.0.0.1": "nothing"})
    execute(["doctor"])
    assert " absent " in table(capsys)["network: nothing"]


def test_an_absent_extra_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "EXTRAS", {"no-such-package": "train"})
    execute(["doctor", "--offline"])
    assert "pip install 'urbanseg[train]'" in table(capsys)["no-such-package"]
