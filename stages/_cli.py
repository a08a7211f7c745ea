"""What every stage does: read the city, load the parameters, say errors in one sentence."""

import errno
import logging
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from urbanseg import paths
from urbanseg.errors import PipelineError
from urbanseg.params import Params, load

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def city_stage(run: Callable[[str, Params], None]) -> Callable[[], None]:
    """Make a stage of one city: ``python -m stages.<name> <city>``."""

    @wraps(run)
    def main() -> None:
        def work() -> None:
            params = load(paths.PARAMS)
            (city,) = _words(params, "one city", 1)
            run(city, params)

        guarded(work)

    return main


def city_file_stage(run: Callable[[str, Path, Params], None]) -> Callable[[], None]:
    """Make a command on a file of one city: ``python -m stages.<name> <city> <file>``."""

    @wraps(run)
    def main() -> None:
        def work() -> None:
            params = load(paths.PARAMS)
            city, file = _words(params, "one city and one file", 2)
            run(city, Path(file), params)

        guarded(work)

    return main


def stage(run: Callable[[Params], None]) -> Callable[[], None]:
    """Make a stage of all cities: ``python -m stages.<name>``."""

    @wraps(run)
    def main() -> None:
        guarded(lambda: run(load(paths.PARAMS)))

    return main


def _words(params: Params, wanted: str, count: int) -> list[str]:
    """What stands on the command line, of which the first is a city."""
    words = sys.argv[1:]
    if len(words) != count:
        raise PipelineError(
            f"this stage takes {wanted}, the city of {', '.join(params.cities)}; got {len(words)} words"
        )
    params.city(words[0])
    return words


def guarded(work: Callable[[], None]) -> None:
    """Do the work; our errors are one sentence and exit code 1, and so is a full disk."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("rasterio").setLevel(logging.CRITICAL)
    try:
        work()
    except PipelineError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno not in FULL:
            raise
        name = error.filename or "an output"
        sys.exit(f"error: {name} cannot be written: the disk is full; free some space, or raise the quota")
