"""What a program and its children take: seconds of CPU and peak memory of each process, by its part."""

import contextlib
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

EVERY_S = 0.5


@dataclass
class Taken:
    """Of all processes of one part."""

    cpu_s: dict[int, float] = field(default_factory=dict)  # by process id
    peak_mb: dict[int, float] = field(default_factory=dict)


def watched(
    command: Sequence[str], folder: Path, log: Path, most_s: float
) -> tuple[int | None, dict[str, Taken]]:
    """Run a program and look at its processes twice a second; kill all of them after `most_s`.

    Args:
        command: what is run.
        folder: where.
        log: that what it says is added to.
        most_s: seconds that it may take.

    Returns:
        Its exit code, None if it was killed; and what `stage`, `worker` (of Dask) and `other` processes took.
    """
    taken = {part: Taken() for part in ("stage", "worker", "other")}
    began = time.monotonic()
    with log.open("a", encoding="utf-8") as out:
        stage = psutil.Popen(list(command), cwd=folder, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        try:
            while stage.poll() is None and time.monotonic() < began + most_s:
                _look(stage, taken)
                time.sleep(EVERY_S)
        finally:
            ended: int | None = stage.poll()
            if ended is None:
                everything = [stage, *stage.children(recursive=True)]
                for process in everything:
                    with contextlib.suppress(psutil.Error):
                        process.kill()
                psutil.wait_procs(everything, timeout=60)
    return ended, taken


def _look(stage: psutil.Process, taken: dict[str, Taken]) -> None:
    with contextlib.suppress(psutil.Error):
        for process in (stage, *stage.children(recursive=True)):
            with contextlib.suppress(psutil.Error, OSError, StopIteration):
                words = " ".join(process.cmdline())
                part = "stage" if process.pid == stage.pid else "worker" if "spawn_main" in words else "other"
                used = process.cpu_times()
                taken[part].cpu_s[process.pid] = used.user + used.system
                taken[part].peak_mb[process.pid] = _peak_mb(process.pid)


def _peak_mb(process: int) -> float:
    """The largest resident memory that a process had so far, as Linux keeps it."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
