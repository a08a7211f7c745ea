"""Small tables as Parquet, written atomically and with the same bytes each time."""

from pathlib import Path

import pandas as pd

from urbanseg.errors import PipelineError, require_readable
from urbanseg.io.files import atomic


def write(path: Path, table: pd.DataFrame) -> None:
    """Write a table without its index."""
    with atomic(path) as temporary:
        table.to_parquet(temporary, index=False)


def read(path: Path) -> pd.DataFrame:
    """Read a table.

    Raises:
        PipelineError: if the file is missing or damaged.
        OSError: if the system refuses it.
    """
    try:
        require_readable(path)
        return pd.read_parquet(path)
    except FileNotFoundError as error:
        raise PipelineError(f"{path} does not exist; run the stage that makes it") from error
    except ValueError as error:
        raise PipelineError(f"{path} is damaged ({error}); delete it and run the stage again") from error
