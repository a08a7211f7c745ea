"""The plots of `dvc plots show` in a real browser without a network, in the colours of the classes."""

import json
from pathlib import Path

import pandas as pd
import pytest
from dvc_render import VegaRenderer, render_html

from ci import plots_page
from tests.conftest import ROOT, shipped_params
from tests.protocol.browser import chromium, opened

TABLE = shipped_params().class_table
vl_convert = pytest.importorskip("vl_convert", reason="vl-convert-python is missing; make setup installs it")
pytestmark = chromium


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plots") / "page.html"
    path.write_text(plots_page.page(vl_convert.javascript_bundle(None, plots_page.SCHEMA)))
    return path


@pytest.mark.parametrize(
    ("name", "x", "y"), [("precision_recall", "recall", "precision"), ("outlines", "tolerance_m", "f1")]
)
def test_plots_are_drawn_without_a_network_in_the_colours_of_the_classes(
    template: Path, name: str, x: str, y: str
) -> None:
    rows = pd.DataFrame(
        {
            "rev": "workspace",
            "class": c.name,
            "color": c.color,
            x: share,
            y: 0.1 * c.id + share / 4,
            "confidence": share,
            "tolerance": share,
        }
        for c in TABLE
        for share in (0.1, 0.5, 0.9)
    )
    drawing = VegaRenderer(
        json.loads(rows.to_json(orient="records")),
        name,
        x=x,
        y=y,
        template=name,
        template_dir=str(ROOT / ".dvc/plots"),
        anchors_y_definitions=[{"filename": "a.csv", "field": y}],
        revs_with_datapoints=["workspace"],
    )
    file = template.with_name(f"{name}.html")
    render_html([drawing], file, template)
    with opened(file, harmless="spec uses Vega v5") as page:
        page.wait_for_selector("svg .mark-line path")
        strokes, names = (
            page.evaluate(f"() => [...document.querySelectorAll('svg {marks}')].map(mark => {value})")
            for marks, value in (
                (".mark-line path", "getComputedStyle(mark).stroke"),
                (".mark-text text", "mark.textContent"),
            )
        )
    assert {f"rgb({', '.join(map(str, c.rgb))})" for c in TABLE} <= set(strokes)
    assert set(TABLE.names) <= set(names)
