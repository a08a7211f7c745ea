"""What the tests of the review desk and of the report share."""

import pytest

from tests.protocol.desk import running
from tests.unit.review.town import write_town


@pytest.fixture(scope="module")
def browser():
    """A browser for the tests of a module."""
    from tests.protocol.browser import launched  # noqa: PLC0415, which skips where Playwright is missing

    with launched() as one:
        yield one


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A project with one small city, for a server of the review desk."""
    return write_town(tmp_path_factory.mktemp("town") / "project")


@pytest.fixture(scope="module")
def desk(town):
    """A server of the review desk, and who calls it."""
    with running(town, "demo", "--user", "anna") as client:
        yield client
