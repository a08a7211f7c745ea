"""Push results so that no machine computes them again: outputs, metrics and the run cache.

``python -m ci.share``, or ``make push``. ``dvc push --run-cache`` leaves out what git holds, which
here is the metrics; but DVC takes a stage from the run cache only if it gets all its outputs.
"""

from dvc.exceptions import DvcException
from dvc.repo import Repo

from urbanseg import paths
from urbanseg.cli.guard import guarded
from urbanseg.config import params
from urbanseg.errors import PipelineError


def main() -> None:
    """Push, and exit with 1 and a sentence if that fails."""
    guarded(push)


def push() -> None:
    """Push the results of the workspace and the run cache to the default remote.

    Raises:
        PipelineError: if params.yaml is wrong, there is no remote, or it does not take everything.
    """
    params.load(paths.PARAMS)  # before DVC reads it
    try:
        with Repo() as repo:
            repo.push(run_cache=True)
            with repo.lock:
                kept_by_git = (out.hash_info for out in repo.index.outs if not out.use_cache)
                cached = [found for found in kept_by_git if found and repo.cache.local.exists(found.value)]
                failed = repo.cloud.push(cached).failed
    except DvcException as error:
        raise PipelineError(f"pushing to the DVC remote failed: {' '.join(str(error).split())}") from None
    if failed:
        raise PipelineError(f"the DVC remote did not take {len(failed)} metrics files; push again")


if __name__ == "__main__":
    main()
