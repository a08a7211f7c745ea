import subprocess
import sys

import pytest

FAULTS = """
import resource, sys, torch
from urbanseg.model.cpu import use_cpu
if sys.argv[1] == "kept":
    use_cpu(1)
def layer():
    torch.zeros(2**24)  # 64 MB
for _ in range(20):  # until there is room beside what Python keeps of its own
    layer()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    layer()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_memory_that_is_freed_is_kept_for_the_next_layer():
    kept, mapped = (
        int(
            subprocess.run(
                [sys.executable, "-c", FAULTS, how],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout
        )
        for how in ("kept", "mapped")
    )
    assert mapped > 5 * 2**24 * 4 / 4096 / 2  # most pages of five tensors, each time
    assert kept < mapped / 100
