"""Planted secrets appear nowhere: not in what is delivered or kept, not in logs, not in sentences."""

import logging
import traceback
from pathlib import Path

import pytest

import stages.scene
from tests.protocol.scenes.conftest import Town
from tests.protocol.scenes.server import CLIENT_ID, CLIENT_SECRET, SAS_TOKEN

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
