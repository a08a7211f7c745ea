"""docs/metrics.md lists every figure that is written, and names functions that exist."""

import importlib
import json
import re
import sys

import pytest

from stages import evaluate
from tests.conftest import ROOT
from urbanseg import paths
from urbanseg.metrics import block_tables
from urbanseg.metrics.summary import pooled_summary

ROW = re.compile(r"^\| (`(?P<key>[^`|]+)`|–) \| .+ \| .+ \| `(?P<module>\w+)\.(?P<function>\w+)` \|$")


def rows():
    text = (ROOT / "docs/metrics.md").read_text()
    lines = [line for line in text.splitlines() if re.match(r"\| (`|–)", line)]
    found = [ROW.match(line) for line in lines]
    assert None not in found
    return found


def documented():
    keys = [row["key"] for row in rows() if row["key"]]
    assert len(keys) == len(set(keys))
    return set(keys)


def written(figures, above=""):
    """Paths of all figures, with the placeholders of the table."""
    for name, value in figures.items():
        if above == "classes.":
            name = "<class>"  # noqa: PLW2901
        elif above == "roads." and name in {"reference", "prediction"}:
            name = "<network>"  # noqa: PLW2901
        elif above in {"intervals.", "interval_basis."}:
            name = "*"  # noqa: PLW2901
        elif above == "boundary.":
            name = re.sub(r"^f1_\d+p?m?x?$", "f1_<t>", name)  # noqa: PLW2901
        if isinstance(value, dict):
            yield from written(value, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def test_each_function_that_is_named_exists():
    assert len(rows()) > 50
    for row in rows():
        module = importlib.import_module(f"urbanseg.metrics.{row['module']}")
        assert callable(getattr(module, row["function"]))


@pytest.fixture
def all_scored(delivered_city, monkeypatch) -> dict:
    """What the evaluate stage writes for a city whose vectors are scored, too."""
    monkeypatch.setattr(sys, "argv", ["evaluate", delivered_city])
    evaluate.main()
    return json.loads(paths.metrics(delivered_city).read_text())


def test_each_figure_of_a_city_is_in_the_table_and_nothing_else_is(all_scored):
    assert set(written(all_scored)) == documented() - {"cities"}


def test_each_figure_of_all_cities_together_is_in_the_table(all_scored, city, settings):
    assert all_scored
    together = pooled_summary(
        block_tables.read(paths.evaluation_dir(city)),
        settings.class_table,
        settings.evaluate.targets,
        seed=0,
        samples=100,
    )
    assert set(written(together)) < documented()
