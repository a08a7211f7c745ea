"""Work in the background: commands in processes of their own, one job at a time, with progress.

A job is a folder: what it is (``job.json``), what it said (``log.txt``), and what it made (``out``). Jobs
that wait when the server ends are run by the next one, and so are maps that are under way.
"""

import json
import logging
import os
import secrets
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from urbanseg.io import files
from urbanseg.review.programs import end, progress, reason, tail
from urbanseg.review.refusals import RefusedError, unknown

log = logging.getLogger(__name__)

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
BEGUN_AGAIN = {"map"}
"""Kinds of jobs that do no harm when they are run once more."""
ENDED = {DONE, FAILED, CANCELLED}

MOST_JOBS = 50
"""Jobs that are kept, ended ones, too; the user removes some for more."""

Finish = Callable[["Job"], dict[str, Any]]


@dataclass
class Job:
    """A job.

    Attributes:
        id: in addresses, and the name of its folder.
        kind: ``map`` or ``retrain``.
        title: for people.
        commands: run one after the other.
        number: in the order of asking.
        about: what else is known, such as the size of pixels.
        state: of the words above.
        error: why it failed.
        result: what it found.
    """

    id: str
    kind: str
    title: str
    commands: list[list[str]]
    number: int
    about: dict[str, Any] = field(default_factory=dict)
    state: str = QUEUED
    error: str | None = None
    result: dict[str, Any] | None = None


class Jobs:
    """The jobs of a server.

    Args:
        folder: that holds theirs.
        root: the current folder of their processes.
        finish: by kind, what makes the result of a job that is done.
    """

    def __init__(self, folder: Path, root: Path, finish: dict[str, Finish] | None = None) -> None:
        self.folder, self.root, self.finish = folder, root, finish or {}
        self._changed = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._jobs = {job.id: job for job in _stored(folder)}
        self._thread = threading.Thread(target=self._work, daemon=True, name="jobs")

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def close(self) -> None:
        """End the process under way; its job is begun again by the next server."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            process = self._process
        if process is not None:
            end(process)

    def place_for(self, name: str) -> Path:
        """Folder of a job."""
        return self.folder / name

    def new_folder(self) -> tuple[str, Path]:
        """An id and an empty folder for a job.

        Raises:
            RefusedError: if there are many already.
        """
        with self._changed:
            if len(self._jobs) >= MOST_JOBS:
                raise RefusedError(429, f"there are {MOST_JOBS} jobs already; remove some")
        name = secrets.token_hex(8)
        place = self.place_for(name)
        place.mkdir(parents=True)
        return name, place

    def submit(
        self, name: str, kind: str, title: str, commands: Sequence[Sequence[str]], **about: Any
    ) -> Job:
        """Queue a job whose folder exists.

        Args:
            name: id of the job, from `new_folder`.
            kind: ``map`` or ``retrain``.
            title: for people.
            commands: run one after the other.
            **about: what else is known, in values of JSON.
        """
        with self._changed:
            number = max((job.number for job in self._jobs.values()), default=0) + 1
            job = Job(name, kind, title, [list(c) for c in commands], number, about)
            self._jobs[name] = job
            self._store(job)
            self._changed.notify_all()
        return job

    def all(self) -> list[Job]:
        """All jobs, in the order of asking."""
        with self._changed:
            return sorted(self._jobs.values(), key=lambda job: job.number)

    def get(self, name: str) -> Job:
        """A job by its id.

        Raises:
            RefusedError: if there is none.
        """
        with self._changed:
            if name not in self._jobs:
                raise unknown("job of that id")
            return self._jobs[name]

    def cancel(self, name: str) -> Job:
        """End a job that waits or is under way; others stay as they are."""
        job, process = self.get(name), None
        with self._changed:
            if job.state in {QUEUED, RUNNING}:
                process = self._process if job.state == RUNNING else None
                job.state = CANCELLED
                self._store(job)
        if process is not None:
            end(process)
        return job

    def remove(self, name: str) -> None:
        """Forget a job that has ended, with all that it made.

        Raises:
            RefusedError: if it is under way.
        """
        job = self.get(name)
        with self._changed:
            if job.state not in ENDED:
                raise RefusedError(409, "the job is under way; cancel it first")
            del self._jobs[name]
        shutil.rmtree(self.place_for(name), ignore_errors=True)

    def update(self, job: Job, **result: Any) -> None:
        """Add to the result of a job."""
        with self._changed:
            job.result = (job.result or {}) | result
            self._store(job)

    def told(self, job: Job) -> dict[str, Any]:
        """A job for the page."""
        step, share = self._progress(job)
        waiting = [j.number for j in self.all() if j.state == QUEUED and j.number <= job.number]
        return {
            "id": job.id, "kind": job.kind, "title": job.title, "state": job.state, "progress": share,
            "step": step,
            "place": len(waiting) if job.state == QUEUED else 0, "error": job.error, "files": self.files(job),
            "scene": job.id if job.kind == "map" and job.state == DONE else None, "result": job.result,
        }  # fmt: skip

    def files(self, job: Job) -> list[dict[str, Any]]:
        """Names and sizes of what a job that is done has made."""
        made = self.place_for(job.id) / "out"
        if job.state != DONE or not made.is_dir():
            return []
        found = [path for path in sorted(made.iterdir()) if path.is_file() and not path.is_symlink()]
        return [{"name": path.name, "bytes": path.stat().st_size} for path in found]

    def log(self, job: Job, start: int) -> dict[str, Any]:
        """What a job said from a byte on, and where to read on."""
        path = self.place_for(job.id) / "log.txt"
        if not path.is_file():
            return {"text": "", "next": 0}
        with path.open("rb") as file:
            file.seek(max(0, start))
            data = file.read(1 << 18)
        return {"text": data.decode(errors="replace"), "next": max(0, start) + len(data)}

    def _progress(self, job: Job) -> tuple[str, float | None]:
        if job.state != RUNNING:
            return job.state, 1.0 if job.state == DONE else None
        return progress(tail(self.place_for(job.id) / "log.txt"))

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._next() is not None)
                if self._closed:
                    return
                job = self._next()
                assert job is not None  # noqa: S101, it was waited for
                job.state = RUNNING
                self._store(job)
            self._run(job)

    def _next(self) -> Job | None:
        waiting = [job for job in self._jobs.values() if job.state == QUEUED]
        return min(waiting, key=lambda job: job.number, default=None)

    def _run(self, job: Job) -> None:
        place = self.place_for(job.id)
        shutil.rmtree(place / "out", ignore_errors=True)
        try:
            with (place / "log.txt").open("wb") as said:
                failed = any(self._command(job, command, said) for command in job.commands)
            finish = self.finish.get(job.kind)
            result = finish(job) if finish is not None and not failed and job.state == RUNNING else None
        except Exception:
            log.exception("job %s failed", job.id)
            failed, result = True, None
        with self._changed:
            if self._closed or job.state == CANCELLED:
                return
            job.state, job.result = FAILED if failed else DONE, result
            said_last = reason(tail(place / "log.txt"))
            job.error = said_last.replace(f"{place.resolve()}{os.sep}", "") if failed else None
            self._store(job)

    def _command(self, job: Job, command: list[str], said: Any) -> bool:
        """Run a command to its end; returns whether it failed or was cancelled."""
        with self._changed:
            if self._closed or job.state != RUNNING:
                return True
            self._process = process = subprocess.Popen(  # noqa: S603, our own programs
                command,
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        code = process.wait()
        with self._changed:
            self._process = None
        return code != 0

    def _store(self, job: Job) -> None:
        files.write_json(self.place_for(job.id) / "job.json", vars(job))


def _stored(folder: Path) -> list[Job]:
    """Jobs of earlier servers; those under way wait again."""
    found = []
    for path in sorted(folder.glob("*/job.json")):
        try:
            job = Job(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, TypeError, ValueError):
            log.warning("%s is damaged; the job is left out", path)
            continue
        if job.state == RUNNING:
            job.state = QUEUED if job.kind in BEGUN_AGAIN else FAILED
            job.error = None if job.state == QUEUED else "the server ended while it was under way"
        found.append(job)
    return found
