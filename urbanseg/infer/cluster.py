"""Prediction on several processes or machines: parts of a scene as tasks of a Dask cluster.

A worker opens the scene by its path, loads the model once per process and sends back
finished strips; one writer takes them in order. A part predicted elsewhere is the same to
the bit, so the result is that of one machine. What a worker that dies was doing, or had
done and not handed over, the scheduler gives to another (distributed's resilience:
https://distributed.dask.org/en/stable/resilience.html).
"""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager
from itertools import islice

from distributed import Client, Future, KilledWorker
from distributed.comm.core import CommClosedError

from urbanseg.config.predict import PredictParams
from urbanseg.errors import PipelineError
from urbanseg.infer.job import Job
from urbanseg.infer.scene import window_grid
from urbanseg.infer.stitching import Strip
from urbanseg.io import raster
from urbanseg.io.dask_cluster import LocalWorkers, connected
from urbanseg.io.startup import prepare
from urbanseg.redact import excerpt

ROWS_PER_PART = 8
"""Rows of windows in a part; one more is predicted twice at each seam between parts."""

PARTS_PER_WORKER = 2
"""Parts that a worker may hold: one in work, one done or waiting. Bounds the memory of workers and writer."""


def predict_strips(job: Job) -> Iterator[Strip]:
    """The strips of a scene, top to bottom, from the workers that `options.scheduler` names.

    Raises:
        PipelineError: if a file is missing, no scheduler or no worker answers, or a worker
            sees other files or has other code.
    """
    from urbanseg.infer import worker  # noqa: PLC0415, see `predict_part`

    try:
        expected = worker.facts(job)
    except FileNotFoundError as error:
        raise PipelineError(f"{error.filename} does not exist; run the stage that makes it") from error
    with raster.reading(job.scene) as scene:
        windows = window_grid(scene.grid.shape, job.options)
    with _client(job.options) as client:
        workers = len(client.nthreads())
        count = max(PARTS_PER_WORKER * workers, -(-len(windows.rows) // ROWS_PER_PART))
        parts = iter(windows.parts(count, job.options.batch_size))
        waiting: deque[tuple[range, Future[list[Strip]]]] = deque()
        while True:
            room = PARTS_PER_WORKER * max(1, len(client.nthreads())) - len(waiting)
            for rows in islice(parts, max(0, room)):
                waiting.append((rows, client.submit(predict_part, job, expected, rows, pure=False)))
            if not waiting:
                return
            yield from _result(*waiting.popleft())


def _result(rows: range, future: "Future[list[Strip]]") -> list[Strip]:
    try:
        return future.result()
    except (ImportError, AttributeError) as error:
        raise _other_code(error) from error
    except RuntimeError as error:
        if "deserialization" not in str(error):
            raise
        raise _other_code(error) from error
    except (CancelledError, CommClosedError) as error:
        raise PipelineError(
            "the connection to the Dask scheduler that predict.scheduler names was lost; see its log, and "
            "run the stage again"
        ) from error
    except KilledWorker as error:
        raise PipelineError(
            f"rows {rows.start} to {rows.stop} of the scene ended one worker after the other; "
            "they need more memory, or a smaller predict.batch_size"
        ) from error


def _other_code(error: Exception) -> PipelineError:
    return PipelineError(
        "the scheduler or a worker of the Dask cluster has other code than this machine "
        f"({excerpt(str(error))}); start all of them in the project's folder, with the same environment"
    )


def predict_part(job: Job, expected: dict[str, str], rows: range) -> list[Strip]:
    """Predict some rows of a scene; runs on a worker. See `worker.predict_part`.

    Args:
        job: the scene, the model and the options.
        expected: what the worker must see too, from `worker.facts`.
        rows: rows of the scene.

    Returns:
        Strips that partition the rows.
    """
    prepare()  # before torch: a worker may have been started by hand
    from urbanseg.infer import worker  # noqa: PLC0415, brings torch, which the scheduler can do without

    return worker.predict_part(job, expected, rows)


def _client(options: PredictParams) -> AbstractContextManager[Client]:
    # No limit of memory: Dask would end a process that is merely as large as its share.
    workers = LocalWorkers(max(2, (os.cpu_count() or 1) // options.threads))
    return connected(options.scheduler, "predict.scheduler", workers)
