"""Programs that run in the background: how far they say they are, why they failed, and how they are ended."""

import os
import re
import signal
import subprocess
from pathlib import Path

TAIL_BYTES = 4096
BAR = re.compile(r"([A-Za-z][\w .-]*):\s+(\d{1,3})%\|")
"""A progress bar of tqdm."""

GRACE_S = 15.0
"""How long a process that is asked to end may take."""


def progress(said: str) -> tuple[str, float | None]:
    """The step that a program is at, and the share of it that is done, by its last progress bar."""
    bars = BAR.findall(said)
    if not bars:
        return "start", None
    step, percent = bars[-1]
    return step.strip(), min(100, int(percent)) / 100


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ask a process and its children to end, and end them if they do not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(GRACE_S)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        else:
            return


def tail(path: Path) -> str:
    """The end of what a program said."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - TAIL_BYTES))
        return file.read().decode(errors="replace")


def reason(said: str) -> str:
    """The sentence that a program ended with."""
    errors = re.findall(r"(?:^|[\r\n])error: ([^\r\n]+)", said)
    return errors[-1] if errors else "it ended without a word; its log may say why"
