"""What all tests share: reproducible examples, and the folder of real data."""

from pathlib import Path

import pytest
from hypothesis import settings

from urbanseg.io.startup import prepare

prepare()

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"

settings.register_profile("project", deadline=None, derandomize=True, print_blob=False)
settings.load_profile("project")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"the real data is not at {SHARED}")
    return SHARED
