import subprocess
import sys

from tests.conftest import ROOT

CODE = """
import os, sys
os.environ.pop("OMP_WAIT_POLICY", None)
import urbanseg.infer.cluster
assert "OMP_WAIT_POLICY" not in os.environ
import {program}
assert "torch" not in sys.modules
assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
assert sys.modules["openvino_telemetry"] is None
"""


def test_programs_set_the_environment_before_torch_and_the_library_leaves_it_alone():
    for program in ("stages", "ci", "bench"):
        code = CODE.format(program=program)
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
