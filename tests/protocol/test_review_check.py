"""Points that people check in the review desk, blind to the map; and corrections in annotation tools."""

import io
import zipfile

import pyogrio
import pytest
import rasterio
from PIL import Image

pytest.importorskip("fastapi", reason="the extra review is not installed")

from tests.protocol.browser import chromium, launched
from tests.protocol.desk import running
from tests.protocol.page import WIDE, violations, window
from tests.protocol.test_review_correct import stroke
from tests.unit.review.town import GRID, write_town
from urbanseg import paths

SAMPLE, CORRECTIONS = "/api/scenes/demo/sample", "/api/scenes/demo/corrections"


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = write_town(tmp_path_factory.mktemp("check") / "town")
    params = folder / "params.yaml"
    text = params.read_text()
    assert "\n  points: 500 " in text
    text = text.replace("\n  points: 500 ", "\n  points: 14 ")
    params.write_text(text.replace("\n  min_points: 50 ", "\n  min_points: 2 "))
    return folder


@pytest.fixture(scope="module")
def desk(town):
    with running(town, "demo", "--user", "anna") as client:
        yield client


@pytest.fixture
def points(desk, town):
    """A new sample."""
    (town / paths.checkpoints("demo")).unlink(missing_ok=True)
    return desk.post(SAMPLE)["points"]


def test_no_answer_of_the_server_says_what_the_map_says_at_a_point(desk, points, town):
    assert {key for point in points for key in point} == {"point", "reference", "bounds"}
    assert desk.get(SAMPLE)["points"] == points
    assert desk.call("POST", SAMPLE, {})[0] == 409
    stored = pyogrio.read_dataframe(town / paths.checkpoints("demo"), layer="points")
    with rasterio.open(town / paths.prediction("demo")) as raster:
        for point, row in zip(points, stored.itertuples(), strict=True):
            assert point["point"] == row.point
            assert next(raster.sample([(row.geometry.x, row.geometry.y)]))[0] == row.mapped
    west, south, east, north = points[0]["bounds"]
    assert 0 < (north - south) * 111_000 < 2 * GRID.resolution
    assert east - west > 0


def test_answers_are_kept_in_the_file_and_give_the_accuracy_when_all_are_there(desk, points, town):
    file = town / paths.checkpoints("demo")
    names = [row["name"] for row in desk.get("/api/project")["classes"]]
    mapped = pyogrio.read_dataframe(file, layer="points")["mapped"].tolist()
    assert desk.call("GET", "/api/scenes/demo/accuracy")[0] == 422
    assert desk.call("POST", f"{SAMPLE}/1", {"reference": "lava"})[0] == 422
    assert desk.call("POST", f"{SAMPLE}/99", {"reference": "water"})[0] == 422
    for point, value in zip(points, mapped, strict=True):
        desk.post(f"{SAMPLE}/{point['point']}", {"reference": names[value]})
    desk.post(f"{SAMPLE}/1", {"reference": None})
    assert desk.get(SAMPLE)["points"][0]["reference"] is None
    desk.post(f"{SAMPLE}/1", {"reference": names[mapped[0]]})
    found = desk.get("/api/scenes/demo/accuracy")
    assert found["overall_accuracy"]["estimate"] == 1
    assert found["points"] == len(points)
    assert pyogrio.read_dataframe(file, layer="points")["reference"].tolist() == mapped
    assert desk.call("GET", f"{SAMPLE}.gpkg")[1] == file.read_bytes()


@pytest.mark.slow
@chromium
def test_the_page_hides_the_map_while_somebody_checks_it(town):
    (town / paths.checkpoints("demo")).unlink(missing_ok=True)
    with (
        running(town, "demo") as desk,
        launched() as browser,
        window(browser, desk, WIDE) as here,
    ):
        here.open()
        here.press("q")
        here.page.locator("#draw-points").click()
        here.page.locator("#check-place").wait_for()
        assert violations(here.page) == []
        here.page.mouse.move(*here.middle())
        here.page.wait_for_selector(".value.pixel")
        assert "map" not in here.page.locator(".values").inner_text()
        blind = here.picture()
        here.press("h")
        assert here.picture() == blind, "the bare scene is shown already"
        count = len(desk.get(SAMPLE)["points"])
        here.press("h")
        for number in range(count, 0, -1):
            here.page.get_by_text(f"{number} are open").wait_for()
            here.press("0" if number == 1 else "3")
        here.page.get_by_text(", 0 are open").wait_for()
        assert sorted({point["reference"] for point in desk.get(SAMPLE)["points"]}) == ["ignore", "road"]
        assert here.page.locator("#estimate").is_enabled()


@pytest.mark.parametrize("tool", ["labelme", "cvat"])
def test_corrections_go_to_annotation_tools_and_back(desk, town, tool):
    (town / paths.corrections("demo")).unlink(missing_ok=True)
    for number, name in enumerate(("road", "water")):
        desk.post(CORRECTIONS, stroke(10 + 20 * number, 10, name))
    status, body, headers = desk.call("GET", f"{CORRECTIONS}_{tool}.zip")
    assert (status, headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        picture, edited = (
            archive.read("demo.png"),
            archive.read(f"demo.{'json' if tool == 'labelme' else 'xml'}"),
        )
    with Image.open(io.BytesIO(picture)) as image:
        assert (image.mode, image.size) == ("RGB", (GRID.width, GRID.height))
    assert desk.call("PUT", f"{CORRECTIONS}.gpkg", edited)[1] == {"added": 0, "undone": 0}
    changed = edited.replace(b"water", b"vegetation")
    assert desk.call("PUT", f"{CORRECTIONS}.gpkg", changed)[1] == {"added": 1, "undone": 1}
    assert desk.call("PUT", f"{CORRECTIONS}.gpkg", edited.replace(b"road", b"lava"))[0] == 422
    assert desk.call("GET", f"{CORRECTIONS}_axe.zip")[0] == 404
