"""A discrete-event simulation of a region: cells, workers, one scheduler, and one imagery service.

The scheduler hands out a cell at a time and is busy for a while with each. A worker that has a cell asks the
imagery service, which answers so many requests a second, and then computes. An attempt may fail half-way and
be tried again; a cell that failed as often as it may is given up. An attempt may be a straggler, slower by a
factor.
"""

import heapq
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Region:
    """What is simulated; times in seconds."""

    cells: int
    workers: int
    cell_s: float  # median of the time that a cell takes on a worker
    overhead_s: float  # that the scheduler is busy with a cell
    failing: float = 0.0  # share of attempts
    straggling: float = 0.0  # share of attempts
    slower: float = 10.0  # how many times longer a straggler takes
    attempts: int = 3
    requests: int = 8  # of a cell to the imagery service
    requests_per_s: float = 0.0  # that it answers, of all workers together; 0 for no limit
    spread: float = 0.2  # standard deviation of the logarithm of the time of a cell
    seed: int = 7


def simulate(region: Region) -> dict[str, Any]:
    """Hours until the last cell is done, and the share of them that workers, scheduler and service work."""
    rng = np.random.default_rng(region.seed)
    most = region.cells * region.attempts
    times = region.cell_s * np.exp(rng.normal(0, region.spread, most))
    times *= np.where(rng.random(most) < region.straggling, region.slower, 1)
    fail = (rng.random(most) < region.failing).tolist()
    seconds = times.tolist()
    service_s = region.requests / region.requests_per_s if region.requests_per_s else 0.0

    free = [0.0] * region.workers  # when each worker is free
    again: list[tuple[float, int]] = []  # when a failed cell may be tried again, and its attempts so far
    scheduler = service = worked = fetched = 0.0
    attempts = given_up = fresh = 0
    done = 0.0
    while fresh < region.cells or again:
        begin = heapq.heappop(free)
        if again and (again[0][0] <= begin or fresh == region.cells):
            at, tried = heapq.heappop(again)
            begin = max(begin, at)
        else:
            tried, fresh = 0, fresh + 1
        scheduler = max(scheduler, begin) + region.overhead_s
        service = max(service, scheduler) + service_s
        fetched += service_s
        took = seconds[attempts] * (0.5 if fail[attempts] else 1)
        end = service + took
        worked += took
        if fail[attempts]:
            if tried + 1 < region.attempts:
                heapq.heappush(again, (end, tried + 1))
            else:
                given_up += 1
        attempts += 1
        heapq.heappush(free, end)
        done = max(done, end)
    return {
        **{
            key: asdict(region)[key]
            for key in ("cells", "workers", "failing", "straggling", "requests_per_s")
        },
        "hours": round(done / 3600, 2),
        "ideal_hours": round(region.cells * region.cell_s / region.workers / 3600, 2),
        "workers_busy": round(worked / region.workers / done, 3),
        "scheduler_busy": round(attempts * region.overhead_s / done, 3),
        "service_busy": round(fetched / done, 3),
        "attempts": attempts,
        "given_up": given_up,
    }
