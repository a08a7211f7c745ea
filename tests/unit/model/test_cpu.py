import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from urbanseg.model.cpu import use_cpu
def layer():
    torch.zeros(2**24)  # 64 MB
def faults():
    for _ in range(20):  # until there is room beside what Python keeps of its own
        layer()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        layer()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
mapped = faults()
use_cpu(1)
print(mapped, faults())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_memory_that_is_freed_is_kept_for_the_next_layer():
    done = subprocess.run([sys.executable, "-c", FAULTS], check=True, stdout=subprocess.PIPE, text=True)
    mapped, kept = map(int, done.stdout.split())
    assert mapped > 5 * 2**24 * 4 / 4096 / 2  # most pages of five tensors, each time
    assert kept < mapped / 100
