import pytest

from tests.pipeline.project import Project, small_params


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """The small project, run once from end to end and committed."""
    small = Project(tmp_path_factory.mktemp("project"), small_params())
    small.first_run = small.repro()
    small.commit("Run")
    return small
