"""The sentinelhub package's own profile file may be anything; no credential of it is shown."""

from pathlib import Path

import pytest
from sentinelhub import SHConfig

from urbanseg.config.scene import SentinelHubScene
from urbanseg.errors import PipelineError
from urbanseg.imagery.sentinel2.sentinel_hub import SentinelHub

PARAMS = SentinelHubScene(
    provider="sentinelhub",
    profile="cdse",
    area={"bbox": [9, 48, 9.1, 48.1]},
    dates="2023-05-01/2023-07-31",
)


@pytest.fixture
def profile_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SH_CLIENT_ID", "SH_CLIENT_SECRET", "SH_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = Path(SHConfig.get_config_location())
    assert path.is_relative_to(tmp_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.parametrize(
    "content",
    [
        b"[default-profile",
        b'sh_client_secret = "hunter2"',
        b'default-profile = "hunter2"',
        b"[default-profile]\nno_such_key = 1",
        b"[default-profile]\nsh_client_id = 5\nsh_client_secret = [1]",
        b'[default-profile]\nsh_client_secret = "\xff"',
        b"x = " + b"[" * 100_000,
        None,
    ],
    ids=["cut", "no profile", "no table", "unknown key", "no text", "no UTF-8", "deep", "folder"],
)
def test_a_broken_profile_file_is_one_sentence(profile_file: Path, content: bytes | None) -> None:
    if content is None:
        profile_file.mkdir()
    else:
        profile_file.write_bytes(content)
    with pytest.raises(PipelineError) as stop:
        SentinelHub(PARAMS)
    sentence = str(stop.value)
    assert str(profile_file) in sentence
    assert "correct" in sentence
    assert "hunter2" not in sentence
    assert "\n" not in sentence


def test_a_profile_file_gives_the_credentials(profile_file: Path) -> None:
    profile_file.write_text('[default-profile]\nsh_client_id = "me"\nsh_client_secret = "hunter2"\n')
    assert SentinelHub(PARAMS).config.sh_client_id == "me"
