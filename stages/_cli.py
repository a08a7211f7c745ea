"""What every stage does: read the city, load the parameters, hold the lock of what it writes."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from pathlib import Path

from urbanseg import paths
from urbanseg.cli.guard import guarded
from urbanseg.config import parts
from urbanseg.config.params import Params, load
from urbanseg.errors import PipelineError
from urbanseg.io import files
from urbanseg.io.locks import locked
from urbanseg.io.processes import is_further_process

CityStage = Callable[[str, Params], None]
Stage = Callable[[Params], None]


def city_stage(writes: Callable[[str], Path]) -> Callable[[CityStage], Callable[[], None]]:
    """Make a stage of one city: ``python -m stages.<name> <city>``; `writes` is what it holds the lock of."""
    return _stage_of_one(writes, _city, " <city>")


def region_stage(writes: Callable[[str], Path]) -> Callable[[CityStage], Callable[[], None]]:
    """Make a stage of one region: ``python -m stages.<name> <region>``; `writes` as in `city_stage`."""
    return _stage_of_one(writes, _region, " <region>")


def _stage_of_one(
    writes: Callable[[str], Path], read: Callable[[], tuple[str, Params]], takes: str
) -> Callable[[CityStage], Callable[[], None]]:
    def decorate(run: CityStage) -> Callable[[], None]:
        @wraps(run)
        def main() -> None:
            def work() -> None:
                name, params = read()
                with _writing(writes(name)):
                    run(name, params)

            _help(run, takes)
            guarded(work)

        return main

    return decorate


def stage(writes: Path) -> Callable[[Stage], Callable[[], None]]:
    """Make a stage of all cities: ``python -m stages.<name>``; `writes` is what it holds the lock of."""

    def decorate(run: Stage) -> Callable[[], None]:
        @wraps(run)
        def main() -> None:
            def work() -> None:
                params = _params()
                # The further processes of a distributed training write nothing.
                with nullcontext() if is_further_process() else _writing(writes):
                    run(params)

            _help(run, "")
            guarded(work)

        return main

    return decorate


def _help(run: Callable[..., None], takes: str) -> None:
    """Print what a stage does and exit, if that is all that is asked for."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        name = run.__module__ if run.__module__ != "__main__" else f"stages.{Path(sys.argv[0]).stem}"
        print(f"usage: python -m {name}{takes}\n\n{sys.modules[run.__module__].__doc__}\n")
        print(
            "A stage of dvc.yaml: it takes no options, and reads params.yaml. dvc repro runs it when needed."
        )
        sys.exit()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Hold the lock of what a stage writes; refuse at once to replace a folder with other files."""
    with locked(path):
        files.require_own(path, paths.output_folders([path.name]).get(path, ["*"]))
        yield


def _params(city: str | None = None) -> Params:
    return parts.read(paths.PARTS, paths.PARAMS, city) or load(paths.PARAMS)


def _city() -> tuple[str, Params]:
    name = _one_word("city", None)
    params = _params(name)
    params.city(name)
    return name, params


def _region() -> tuple[str, Params]:
    params = _params()
    name = _one_word("region", params.regions)
    params.region(name)
    return name, params


def _one_word(what: str, names: Iterable[str] | None) -> str:
    """The only word of the command line: the name of a city or a region; `names` are those that there are."""
    words = sys.argv[1:]
    if len(words) != 1:
        known = ", ".join(load(paths.PARAMS).cities if names is None else names) or "none"
        raise PipelineError(f"this stage takes one {what} of {known}; got {len(words)} words")
    return words[0]
