"""What every stage does: read the city, load the parameters, hold the lock of what it writes."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from pathlib import Path
from typing import NoReturn

from urbanseg import paths
from urbanseg.cli.guard import guarded
from urbanseg.config.params import Params, load
from urbanseg.errors import PipelineError
from urbanseg.io.locks import locked
from urbanseg.io.processes import is_further_process

CityStage = Callable[[str, Params], None]
Stage = Callable[[Params], None]
Command = Callable[[Namespace, Params], None]


class Parser(ArgumentParser):
    """A parser of arguments whose errors are sentences like all others."""

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Raises:
            PipelineError: always.
        """
        raise PipelineError(f"{message}; {self.prog} --help says what it takes")


def city_stage(writes: Callable[[str], Path]) -> Callable[[CityStage], Callable[[], None]]:
    """Make a stage of one city: ``python -m stages.<name> <city>``; `writes` is what it holds the lock of."""

    def decorate(run: CityStage) -> Callable[[], None]:
        @wraps(run)
        def main() -> None:
            def work() -> None:
                params = load(paths.PARAMS)
                city = _city(params)
                with locked(writes(city)):
                    run(city, params)

            guarded(work)

        return main

    return decorate


def stage(writes: Path) -> Callable[[Stage], Callable[[], None]]:
    """Make a stage of all cities: ``python -m stages.<name>``; `writes` is what it holds the lock of."""

    def decorate(run: Stage) -> Callable[[], None]:
        @wraps(run)
        def main() -> None:
            def work() -> None:
                params = load(paths.PARAMS)
                # The further processes of a distributed training write nothing.
                with nullcontext() if is_further_process() else locked(writes):
                    run(params)

            guarded(work)

        return main

    return decorate


def command(describe: Callable[[ArgumentParser], None]) -> Callable[[Command], Callable[[], None]]:
    """Make a command that is no stage of DVC; `describe` adds its arguments.

    An argument called `city` must be a city of params.yaml.
    """

    def decorate(run: Command) -> Callable[[], None]:
        name = run.__module__ if run.__module__ != "__main__" else Path(sys.argv[0]).stem
        about = sys.modules[run.__module__].__doc__
        parser = Parser(prog=f"python -m stages.{name.rpartition('.')[2]}", description=about)
        describe(parser)

        @wraps(run)
        def main() -> None:
            def work() -> None:
                asked = parser.parse_args()
                params = load(paths.PARAMS)
                if "city" in asked:
                    params.city(asked.city)
                run(asked, params)

            guarded(work)

        return main

    return decorate


def _city(params: Params) -> str:
    words = sys.argv[1:]
    if len(words) != 1:
        raise PipelineError(
            f"this stage takes one city of {', '.join(params.cities)}; got {len(words)} words"
        )
    words[0] = words[0].rpartition("@")[2]  # DVC hands over the whole stage, scene@demo
    params.city(words[0])
    return words[0]
