"""Titles of classes, whatever they say, wherever people read them; names stay the keys."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import yaml

from tests.conftest import shipped_params, whole_params
from tests.unit.report.test_page import CURVES, TOGETHER, TRAINING, Page
from urbanseg.classes import ClassTable
from urbanseg.config import params as parameters
from urbanseg.config.params import Params
from urbanseg.grid import Grid
from urbanseg.io.cog import writing
from urbanseg.mapping.checkpoints import points_qml
from urbanseg.mapping.styles import land_cover_qml
from urbanseg.metrics.stratified_estimates import estimate_accuracy
from urbanseg.report import curves, pictures, scores
from urbanseg.report.accuracy import accuracy_page, accuracy_values
from urbanseg.report.page import CityReport, render
from urbanseg.report.pictures import wording

TITLES = {
    "building": "built-up",
    "road": '<script>alert("1")</script>',
    "vegetation": "A & B",
    "water": "Snow/ice",
    "bare_soil": "|'quoted' \"twice\"| *森林* ]]>",
}


@pytest.fixture(scope="session")
def params(tmp_path_factory: pytest.TempPathFactory) -> Params:
    """The project's parameters, with titles for all classes but the first."""
    raw: dict[str, Any] = whole_params()
    for name, title in TITLES.items():
        raw["classes"][name]["title"] = title
    path = tmp_path_factory.mktemp("titles") / "params.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False, allow_unicode=True))
    return parameters.load(path)


@pytest.fixture
def table(params: Params) -> ClassTable:
    return params.class_table


def test_names_stay_the_keys_and_a_class_without_title_is_called_by_its_name(table: ClassTable) -> None:
    assert table.names == ["other", *TITLES]
    assert table.labels == ["other", *TITLES.values()]
    assert table.titles == TITLES
    assert [wording(table)(name) for name in table.names] == table.labels


def test_without_titles_all_is_called_as_before() -> None:
    plain = shipped_params()
    assert plain.class_table.labels == plain.class_table.names
    assert [*map(wording(plain.class_table), ["bare_soil", "no_class"])] == ["bare soil", "no class"]
    assert set(plain.model_dump(mode="json")["classes"]["road"]) == {"id", "color"}


def test_the_page_shows_titles_as_text_in_legends_tables_and_charts(
    city: CityReport, params: Params, table: ClassTable, tmp_path: Path
) -> None:
    folder = tmp_path / "plots" / "metrics" / "val"
    folder.mkdir(parents=True)
    for name in TITLES:
        (folder / f"iou_{name}.tsv").write_text(f"step\tiou_{name}\n0\t0.1\n1\t0.2\n")
    read = curves.read_curves(tmp_path, wording(table))
    assert set(read["iou"]) == set(TITLES.values())
    html = render([city], TRAINING, CURVES | read, params, TOGETHER)
    page, plain = Page(html), Page(render([city], TRAINING, CURVES, params, TOGETHER))
    assert len(page.all("script")) == len(plain.all("script"))
    assert "<script>alert" not in html
    for name, title in TITLES.items():
        said = page.text.count(title)
        assert said >= 3, name  # in the legend, in the table of classes, in the curves
    labels = [element.get("aria-label") or "" for element in page.all("svg")]
    assert any(all(f"{title} from 0.1 to 0.2" in label for title in TITLES.values()) for label in labels)


def test_the_rest_of_the_page_uses_them_too(city: CityReport, table: ClassTable, tmp_path: Path) -> None:
    _, lines, svg = city.quality.charts[1]
    assert [name for name, _ in lines] == [TITLES["road"], TITLES["bare_soil"]]
    assert "<script" not in svg
    known = {title for title in table.labels if any(title in f.mistake for f in city.quality.failures)}
    assert len(known) >= 2
    confusion = tmp_path / "confusion.csv"
    confusion.write_text("actual,predicted,pixels,share\nwater,water,3,1.0\n")
    assert scores.read_confusion(confusion, wording(table)).names == ["Snow/ice"]
    assert pictures.colorize(np.zeros((1, 1), np.uint8), table).names == (*table.labels, "no data")


@pytest.mark.parametrize("styled", [land_cover_qml, points_qml])
def test_styles_for_qgis_are_xml_with_the_titles(styled: Any, table: ClassTable) -> None:
    categories = ET.fromstring(styled(table)).iter("category")  # noqa: S314, we wrote it
    assert [category.get("label") for category in categories][: len(table)] == table.labels


def test_class_rasters_carry_the_titles(tmp_path: Path, grid: Grid, table: ClassTable) -> None:
    with writing(tmp_path / "c.tif", grid, dtype="uint8", nodata=255, classes=table) as file:
        file.write(np.zeros(grid.shape, np.uint8))
    read = ET.parse(tmp_path / "c.tif.aux.xml").iter("Category")  # noqa: S314, we wrote it
    assert [category.text for category in read][: len(table)] == table.labels


def test_the_accuracy_page_shows_titles_and_its_values_have_names(table: ClassTable) -> None:
    counts = np.eye(len(table), dtype=np.int64) * 10
    area = np.full(len(table), 5.0)
    found = estimate_accuracy(counts, area)
    page = accuracy_page(found, counts, area, table.labels, title="<b>A|B</b>", unknown=0)
    assert page.startswith("# Accuracy of &lt;b&gt;A\\|B&lt;/b&gt;\n")
    assert "<script" not in page
    assert "| built-up | " in page
    assert "&lt;script&gt;alert" in page
    rows = [line.replace("\\|", "") for line in page.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {len(table) + 4, 6}
    assert list(accuracy_values(found, counts, area, table.names)["classes"]) == table.names


def test_a_legend_that_is_too_long_for_one_row_goes_on_below(table: ClassTable) -> None:
    legend = pictures.colorize(np.zeros((4, 4), np.uint8), table)
    panels = [("A", np.zeros((4, 4, 3), np.uint8))]
    sheet = pictures.sheet(panels, legend, width=320)
    assert sheet.shape[0] > 34 + 320 + 34
    below = sheet[34 + 320 :].reshape(-1, 3)
    for c in table:
        assert (below == c.rgb).all(axis=1).any(), c.name
