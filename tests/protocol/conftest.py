"""What the tests of the review desk share."""

import pytest

from tests.unit.review.town import write_town


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A project with one small city, for a server of the review desk."""
    return write_town(tmp_path_factory.mktemp("town") / "project")
