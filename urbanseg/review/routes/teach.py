"""Addresses of training with corrections, and of what becomes of it."""

import json
import sys
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi import APIRouter

from urbanseg import paths
from urbanseg.config.layers import corrected
from urbanseg.errors import PipelineError
from urbanseg.labels.corrections import read
from urbanseg.review import retraining
from urbanseg.review.desk import Desk
from urbanseg.review.jobs import DONE, ENDED, Job, Jobs
from urbanseg.review.refusals import RefusedError
from urbanseg.workflows.params_file import edit

KIND = "retrain"
RESULT = "result.json"


def teach(desk: Desk, jobs: Jobs) -> APIRouter:
    """The addresses of this module."""
    router = APIRouter()
    jobs.finish[KIND] = lambda job: result_of(jobs, job)

    @router.post("/api/retrain", status_code=202)
    def retrain(asked: dict[str, Any]) -> dict[str, Any]:
        title = asked.get("title") or "with corrections"
        if not isinstance(title, str) or len(title) > 100:
            raise RefusedError(422, "title is a text of 100 characters at most")
        start = asked.get("start", retraining.default_start(desk.root))
        if start not in retraining.STARTS:
            raise RefusedError(422, f"start must be one of {', '.join(retraining.STARTS)}")
        if any(job.kind == KIND and job.state not in ENDED for job in jobs.all()):
            raise RefusedError(409, "a training is under way; wait for it, or cancel it")
        cities = corrected_cities(desk)
        retraining.require_possible(desk.root, cities, start)
        for city in cities:
            edit(desk.file, partial(corrected, city=city))
        number, folder = jobs.new_folder()
        name = f"review-{datetime.now(UTC):%Y%m%d}-{number[:6]}"
        result = str((folder / RESULT).resolve())
        command = [sys.executable, "-m", "urbanseg.review.retraining", name, result, start, *cities]
        return jobs.told(jobs.submit(number, KIND, title, [command], experiment=name))

    @router.post("/api/jobs/{number}/decision")
    def decide(number: str, asked: dict[str, Any]) -> dict[str, Any]:
        job = jobs.get(number)
        if job.kind != KIND or job.state != DONE or not isinstance(asked.get("keep"), bool):
            raise RefusedError(422, "only a training that is done can be kept or dropped")
        if (job.result or {}).get("decision") is not None:
            raise RefusedError(409, "that is decided already")
        if not asked["keep"]:
            retraining.drop(desk.root, job.about["experiment"])
        jobs.update(job, decision="kept" if asked["keep"] else "dropped")
        return jobs.told(job)

    return router


def why_not(desk: Desk) -> str | None:
    """Why there can be no training now; None if there can."""
    try:
        retraining.require_possible(desk.root, corrected_cities(desk))
    except PipelineError as error:
        return str(error)
    return None


def corrected_cities(desk: Desk) -> list[str]:
    """Cities with corrections that are in effect."""
    params = desk.params()
    if params is None:
        return []
    files = {city: desk.root / paths.corrections(city) for city in params.cities}
    return [city for city, file in files.items() if file.exists() and read(file)[0]]


def result_of(jobs: Jobs, job: Job) -> dict[str, Any]:
    """What a training wrote of itself."""
    text = (jobs.place_for(job.id) / RESULT).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
