"""Work on many cells by the workers of a Dask cluster: what fails is tried again, and never stops the rest.

The scheduler holds so few tasks at a time that a hundred thousand cells cost it no more memory than a
hundred. Of what a task did nothing is kept here but a failure: a cell leaves its files, and whether they
are there says whether it is done.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from dataclasses import dataclass

from distributed import Client, Future, KilledWorker, as_completed
from distributed.comm.core import CommClosedError
from tqdm import tqdm

from urbanseg.errors import PipelineError
from urbanseg.redact import excerpt

log = logging.getLogger(__name__)

TASKS_PER_WORKER = 2
"""Tasks that the scheduler holds for each worker: one at work, and one that waits."""


class NothingToMapError(PipelineError):
    """A cell of which there is no image, or none on which anything is seen: trying again is of no use."""


@dataclass(frozen=True, order=True)
class Failure:
    """A cell that could not be made."""

    cell: str
    kind: str
    """``nothing to map``, ``failed``, or ``ended its worker``."""
    why: str
    """A sentence."""


def run_cells(
    client: Client, cells: Iterable[str], work: Callable[[str], object], retries: int
) -> list[Failure]:
    """Let workers make cells; returns when each is made or given up.

    Args:
        client: of the cluster.
        cells: ids; the order is that in which they are begun.
        work: makes a cell, on a worker; it is sent with each task, so it holds paths and parameters alone. It
            raises `NothingToMapError` where it is of no use to try again, and any error where it may be.
        retries: how often a cell is tried again.

    Returns:
        The failures, by cell.

    Raises:
        PipelineError: if the connection to the scheduler is lost, or the workers have other code.
    """
    waiting = deque((cell, 0) for cell in cells)
    total = len(waiting)
    if not total:
        return []
    running: dict[Future[object], tuple[str, int]] = {}
    failures: list[Failure] = []
    finished = as_completed([], loop=client.loop)
    with tqdm(total=total, desc="cells", unit="cell") as bar:
        while waiting or running:
            while waiting and len(running) < TASKS_PER_WORKER * max(1, len(client.nthreads())):
                cell, tries = waiting.popleft()
                future = client.submit(work, cell, pure=False, key=f"{cell}-{tries}")
                running[future] = cell, tries
                finished.add(future)
            future = next(finished)
            cell, tries = running.pop(future)
            failure = _outcome(cell, future)
            future.release()
            if failure is not None and failure.kind == "failed" and tries < retries:
                log.info("cell %s: %s; it is tried again", cell, failure.why)
                waiting.append((cell, tries + 1))
                continue
            if failure is not None:
                log.warning("cell %s is left out: %s", cell, failure.why)
                failures.append(failure)
            bar.update()
    return sorted(failures)


def _outcome(cell: str, future: "Future[object]") -> Failure | None:
    """How a task ended; None if well."""
    try:
        future.result()
    except NothingToMapError as error:
        return Failure(cell, "nothing to map", str(error))
    except PipelineError as error:
        return Failure(cell, "failed", str(error))
    except KilledWorker:
        return Failure(
            cell,
            "ended its worker",
            "it ended one worker after the other; it needs more memory (work.memory_limit), or a smaller "
            "cells.size_px or predict.batch_size",
        )
    except (CancelledError, CommClosedError) as error:
        raise PipelineError(
            "the connection to the Dask scheduler was lost; see its log, and run the stage again: the cells "
            "that are done stay"
        ) from error
    except (ImportError, AttributeError) as error:
        raise PipelineError(
            f"a worker of the Dask cluster has other code than this machine ({excerpt(str(error))}); start "
            "all of them in the project's folder, with the same environment"
        ) from error
    except Exception as error:  # noqa: BLE001, whatever it is, it must not stop the other cells
        return Failure(cell, "failed", f"{type(error).__name__}: {excerpt(str(error))}")
    return None
