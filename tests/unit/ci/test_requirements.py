"""What is installed is pinned by digest, so that nobody between us and its maker can change it."""

import re

import pytest

from tests.conftest import ROOT

FORGES = [*(ROOT / ".github" / "workflows").glob("*.yml"), ROOT / ".gitlab-ci.yml"]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-uv.txt"])
def test_every_package_has_its_version_and_a_digest(name):
    text = (ROOT / name).read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert entries
    for entry in entries:
        assert re.match(r"[A-Za-z0-9_.\[\]-]+==\S+", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


def test_the_environment_is_set_up_from_digests_alone():
    makefile = (ROOT / "Makefile").read_text()
    assert "--require-hashes -r requirements-uv.txt" in makefile
    assert "pip sync --quiet --compile-bytecode requirements.txt" in makefile


@pytest.mark.parametrize("path", FORGES, ids=lambda path: path.name)
def test_no_workflow_installs_anything_else(path):
    text = path.read_text()
    assert not re.search(r"\b(npx|npm|pip|pipx|apt-get|uvx) ", text)
    for action in re.findall(r"uses: (\S+)", text):
        assert re.fullmatch(r"\S+@[0-9a-f]{40}", action), action
