"""The locked packages install on later Pythons, too, and the unit tests pass there."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT


def interpreter(version):
    """A Python of a version that runs: on the path, or of pyenv; None if there is none."""
    kept = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    named = shutil.which(f"python{version}")
    for found in filter(None, [named, *map(str, sorted(kept.glob(f"{version}.*/bin/python")))]):
        if subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return found
    return None


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_the_unit_tests_pass_on_a_later_python(version, tmp_path):
    if (found := interpreter(version)) is None:
        pytest.skip(f"there is no Python {version} on this machine")

    def run(*command):
        environment = os.environ | {"VIRTUAL_ENV": str(tmp_path / "venv")}
        subprocess.run(command, check=True, cwd=ROOT, env=environment)

    run("uv", "venv", "--quiet", "--python", found, tmp_path / "venv")
    run("uv", "pip", "sync", "--quiet", "requirements.txt")
    options = ("-q", "-n", "2", "--dist", "loadfile", "-m", "not slow")
    run(tmp_path / "venv" / "bin" / "python", "-m", "pytest", *options, "tests/unit")
