import json
import os
import shutil

import pytest
from filelock import FileLock

from tests.pipeline.project import Project, small_params


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Folder of the small project, run from end to end and committed.

    It is made once for all test processes, and left alone.
    """
    temporary = tmp_path_factory.getbasetemp()
    root = temporary.parent if "PYTEST_XDIST_WORKER" in os.environ else temporary
    folder = root / "finished"
    with FileLock(root / "finished.lock"):
        if not (root / "finished.json").exists():
            folder.mkdir()
            small = Project(folder, small_params())
            ran = small.repro()
            small.commit("Run")
            (root / "finished.json").write_text(json.dumps(ran))
    return folder


@pytest.fixture(scope="session")
def project(finished, tmp_path_factory):
    """A copy of the finished project to try things on, with the stages that its first run ran."""
    folder = tmp_path_factory.mktemp("project") / "project"
    shutil.copytree(finished, folder, symlinks=True)
    copy = Project.at(folder)
    copy.first_run = json.loads((finished.parent / "finished.json").read_text())
    return copy
