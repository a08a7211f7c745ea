"""Termination of processes: on signals, with one line, and with their parent.

SIGINT (Ctrl-C), SIGTERM and SIGHUP are raised as `Stopped` in the main thread, so that
every block cleans up; then the children are ended, and the exit code is 128 + the
signal's number. A stage that DVC started, a further process of a distributed training
and a worker watch their parents, because a killed parent sends no signal.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import psutil

SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}

GRACE_S = 15.0
"""Time for blocks to clean up, after which the process ends."""

CHILD_S = 3.0
"""Time for a child to end by itself."""

POLL_S = 0.5


class Stopped(KeyboardInterrupt):
    """The process received a signal to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        return f"stopped by {SIGNALS[signal.Signals(self.number)]}; run the same command to start again"


class _Started:
    """The processes without which this program has no business; None until they are looked for."""

    by: list[psutil.Process] | None = None


class _Deferred:
    """Blocks of the main thread that signals must not interrupt, and the signal received meanwhile."""

    blocks = 0
    number = 0


def is_further_process() -> bool:
    """Whether this is a further process of a distributed training, which the first one started."""
    return "LOCAL_RANK" in os.environ


def stop_while_importing() -> None:
    """End at once on a signal, as long as there is nothing to clean up; a program calls this first.

    Who started the program is noted, too: it may be gone by the time that all is imported.
    """
    _handle(_end_at_once)
    _Started.by = _starters()


@contextmanager
def stoppable(abandon: Callable[[], None]) -> Iterator[None]:
    """Raise signals as `Stopped` in a block; watch the parents of this process meanwhile.

    Args:
        abandon: called before the process ends without cleaning up, because the block did
            not end in time.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    done = threading.Event()

    def stop(number: int, _: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        threading.Thread(target=_end_in_time, args=(done, number, abandon), daemon=True).start()
        if not _Deferred.blocks:
            raise Stopped(number)
        _Deferred.number = number

    before = _handle(stop)
    watched = _starters() if _Started.by is None else _Started.by
    if watched:
        threading.Thread(target=_watch, args=(watched, done, abandon), daemon=True).start()
    try:
        yield
    finally:
        done.set()
        for each, handler in before.items():
            # A program that is done only exits, with the exit code that it has by now.
            signal.signal(each, signal.SIG_IGN if handler is _end_at_once else handler)


@contextmanager
def deferred() -> Iterator[None]:
    """Defer signals to the end of a short block, such as taking a lock and recording it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _Deferred.blocks += 1
    try:
        yield
    finally:
        _Deferred.blocks -= 1
        if _Deferred.number and not _Deferred.blocks:
            raise Stopped(_Deferred.number)


def leave(stopped: Stopped) -> NoReturn:
    """End this process and its children, with the line and the exit code of a signal."""
    if not is_further_process():
        print(f"error: {stopped}", file=sys.stderr)
    end_children()
    _end(stopped, said=True)


def end_children() -> None:
    """End all processes that this one started, and theirs, and those that a library starts in their place."""
    end = psutil.Process.terminate
    while children := _children():
        for child in children:
            with suppress(psutil.NoSuchProcess):
                end(child)
        psutil.wait_procs(children, timeout=CHILD_S)
        end = psutil.Process.kill


def follow_parent() -> None:
    """Make this process a worker: it ignores signals from the keyboard, and ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _end_at_once(number: int, _: FrameType | None) -> None:
    _end(Stopped(number))


def _handle(handler: Callable[[int, FrameType | None], None]) -> dict[int, Any]:
    """Set the handler of all signals; returns the previous ones. SIGHUP stays ignored under nohup."""
    before: dict[int, Any] = {}
    for number in SIGNALS:
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            continue
        before[number] = signal.signal(number, handler)
    return before


def _starters() -> list[psutil.Process]:
    """The parents with which this process ends: up to DVC, or the first process of a training."""
    parents: list[psutil.Process] = psutil.Process().parents()
    if is_further_process():
        return parents[:1]
    if "DVC_STAGE" not in os.environ:
        return []
    for index, parent in enumerate(parents):
        with suppress(psutil.Error):
            if any(Path(word).name == "dvc" for word in parent.cmdline()[:4]):
                return parents[: index + 1]
    return parents[:1]


def _watch(starters: list[psutil.Process], done: threading.Event, abandon: Callable[[], None]) -> None:
    while all(starter.is_running() and starter.status() != psutil.STATUS_ZOMBIE for starter in starters):
        if done.wait(POLL_S):
            return
    os.kill(os.getpid(), signal.SIGTERM)
    _end_in_time(done, signal.SIGTERM, abandon)


def _end_in_time(done: threading.Event, number: int, abandon: Callable[[], None]) -> None:
    if not done.wait(GRACE_S):
        end_children()
        abandon()
        _end(Stopped(number))


def _children() -> list[psutil.Process]:
    """All that this process started and that still run, but for multiprocessing's tracker."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            is_tracker = any("resource_tracker" in word for word in child.cmdline())
            if not is_tracker and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


def _end(stopped: Stopped, *, said: bool = False) -> NoReturn:
    """End now: threads that wait for the network would keep an ordinary exit waiting."""
    if not said and not is_further_process():
        os.write(2, f"error: {stopped}\n".encode())
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(128 + stopped.number)
