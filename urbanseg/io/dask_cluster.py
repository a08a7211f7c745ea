"""The connection to a Dask scheduler: that of a cluster of this machine's processes, or one that is named."""

import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from urllib.parse import urlsplit

import dask
from distributed import Client, LocalCluster

from urbanseg.errors import PipelineError

log = logging.getLogger(__name__)

PORT_TIMEOUT_S, SCHEDULER_TIMEOUT_S, WORKER_TIMEOUT_S = 3, 10, 60
"""How long to wait for an open port, for the scheduler's answer, and for its first worker."""

PROCESSES = "processes"
"""In place of an address: processes of this machine."""


@dataclass(frozen=True)
class LocalWorkers:
    """Worker processes of this machine.

    Attributes:
        count: how many; each does one thing at a time.
        memory_limit: of each, as Dask reads it; a worker that exceeds it is ended and started again. "0" is
            no limit.
        failures: how many workers a task may take down before it is given up; Dask's own number if None.
        environment: further variables of theirs.
        dashboard: whether the log tells where the scheduler shows itself, if bokeh is installed.
    """

    count: int
    memory_limit: str = "0"
    failures: int | None = None
    environment: dict[str, str] = field(default_factory=dict)
    dashboard: bool = False


@contextmanager
def connected(address: str, parameter: str, local: LocalWorkers) -> Iterator[Client]:
    """A client of a scheduler that has a worker.

    Args:
        address: `PROCESSES`, or ``tcp://host:port``.
        parameter: that names the address, for errors.
        local: the workers that are started if it is `PROCESSES`.

    Raises:
        PipelineError: if no scheduler or no worker answers.
    """
    with ExitStack() as stack:
        if address == PROCESSES:
            address = _started(local, stack)
        try:
            _require_answer(address)
            client = stack.enter_context(Client(address, timeout=SCHEDULER_TIMEOUT_S, set_as_default=False))
        except (OSError, TimeoutError, ValueError, ImportError) as error:
            raise PipelineError(
                f"params.yaml: no Dask scheduler answers at {address}, which {parameter} names; "
                f"start one there, or set it to {PROCESSES}"
            ) from error
        try:
            client.wait_for_workers(1, timeout=WORKER_TIMEOUT_S)
        except TimeoutError as error:
            raise PipelineError(
                f"the Dask scheduler at {address} has no worker after {WORKER_TIMEOUT_S} s; start some with "
                f"python -m distributed.cli.dask_worker {address} --nthreads 1"
            ) from error
        yield client


def _started(local: LocalWorkers, stack: ExitStack) -> str:
    """The address of the scheduler of a cluster of processes, which ends with the stack."""
    if local.failures is not None:
        stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": local.failures}))
    for name, value in local.environment.items():  # before a worker imports anything
        stack.enter_context(dask.config.set({f"distributed.nanny.pre-spawn-environ.{name}": value}))
    shows = local.dashboard and find_spec("bokeh") is not None
    cluster = stack.enter_context(
        LocalCluster(
            n_workers=local.count,
            threads_per_worker=1,
            memory_limit=local.memory_limit,
            dashboard_address="127.0.0.1:0",  # without bokeh it shows next to nothing, on a port of its own
            silence_logs=logging.ERROR,
        )
    )
    if shows:
        log.info("the dashboard of Dask is at %s", cluster.dashboard_link)
    return str(cluster.scheduler_address)


def _require_answer(address: str) -> None:
    """Raise an OSError at once where no scheduler answers, for which Dask would wait long, or for ever.

    A scheduler greets whoever connects; one with TLS waits for the client to begin.
    """
    at = urlsplit(address)
    with socket.create_connection((at.hostname, at.port), timeout=PORT_TIMEOUT_S) as connection:
        connection.settimeout(SCHEDULER_TIMEOUT_S)
        if at.scheme == "tcp" and not connection.recv(1):
            raise ConnectionResetError
