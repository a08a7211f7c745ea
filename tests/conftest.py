"""What all tests share: reproducible examples, and the folder of real data."""

from pathlib import Path

import pytest
from hypothesis import settings

from urbanseg.io.startup import prepare

prepare()

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"

NO_REAL_DATA = f"the real data is not at {SHARED}"

settings.register_profile("project", deadline=None, derandomize=True, print_blob=False)
settings.load_profile("project")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(NO_REAL_DATA)
    return SHARED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests the absence of the real data has left out."""
    skipped = [
        report for report in terminalreporter.stats.get("skipped", []) if NO_REAL_DATA in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} tests were left out: {NO_REAL_DATA}", yellow=True)
