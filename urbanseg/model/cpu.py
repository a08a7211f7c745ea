"""How a process that runs a network uses the CPU: threads, and memory kept between layers."""

import ctypes
import sys

import torch

# parameters of mallopt(3), from glibc's malloc.h
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX, ARENA_MAX = -1, -2, -4, -8


def use_cpu(threads: int) -> None:
    """Compute with so many threads, and keep the memory that layers free for those that follow.

    By default glibc maps each tensor of some tens of megabytes afresh and hands it back when
    freed, so that the kernel clears every page of every layer's output: half the time of
    a forward pass. Instead the heap keeps what is freed, but for more than 2 GB at its end. Other
    allocators stay as they are.
    """
    torch.set_num_threads(threads)
    if sys.platform != "linux":
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        for option, value in ((MMAP_MAX, 0), (TRIM_THRESHOLD, 2**31 - 1), (TOP_PAD, 2**22), (ARENA_MAX, 1)):
            set_option(option, value)
