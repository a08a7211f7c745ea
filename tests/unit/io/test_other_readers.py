"""OpenStreetMap files and annotation open no other file, and stages trust the inputs of their city."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import rasterio
import yaml

import stages.labels
import stages.scene
from tests.conftest import whole_params
from tests.unit.io.counting import counting
from tests.unit.io.hostile import source, tif, vrt
from urbanseg import paths
from urbanseg.config.labels import TagRule
from urbanseg.errors import PipelineError
from urbanseg.io import raster
from urbanseg.labels.annotation import read_cvat, read_labelme
from urbanseg.osm import read_features

RULES = {"building": [TagRule(geometry="area", tags={"building": "*"})]}
OSM = (
    '<osm version="0.6"><node id="1" lat="48" lon="9"/><node id="2" lat="48" lon="9.1"/>'
    '<node id="3" lat="48.1" lon="9"/><way id="4"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="1"/>'
    '<tag k="building" v="{value}"/></way></osm>'
)
CVAT = (
    '<annotations><image name="{value}" width="8" height="6"><box label="a" xtl="1" ytl="1" xbr="2" ybr="2"/>'
    "</image></annotations>"
)


def entities(place: str) -> dict[str, str]:
    """Document types that open a file or an address, or grow."""
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "ha"}">' for i in range(9))
    return {
        "external": f'<!DOCTYPE a [<!ENTITY b SYSTEM "{place}">]>',
        "parameter": f'<!DOCTYPE a [<!ENTITY % b SYSTEM "{place}"> %b;]>',
        "dtd": f'<!DOCTYPE a SYSTEM "{place}">',
        "laughs": f"<!DOCTYPE a [{laughs}]>",
    }


@pytest.mark.parametrize("kind", entities(""))
def test_entities_of_xml_open_nothing(kind: str, tmp_path: Path) -> None:
    used = {"external": "&b;", "laughs": "&l8;"}.get(kind, "x")
    with counting(tmp_path) as counter:
        prolog = entities(f"{counter.url}/a.dtd")[kind]
        (tmp_path / "a.xml").write_text(prolog + CVAT.format(value=used if kind == "laughs" else "x"))
        with pytest.raises(PipelineError, match=r"a\.xml has a document type \(<!DOCTYPE>\)"):
            read_cvat(tmp_path / "a.xml", None)
        (tmp_path / "a.osm").write_text(prolog + OSM.format(value=used if kind == "laughs" else "x"))
        if kind == "dtd":
            assert len(read_features(tmp_path / "a.osm", RULES)) == 1
        else:
            with pytest.raises(PipelineError, match=r"a\.osm is not an OpenStreetMap file or is damaged"):
                read_features(tmp_path / "a.osm", RULES)
        assert counter.asked() == []
    (tmp_path / "a.xml").write_text(CVAT.format(value="x"))
    assert len(read_cvat(tmp_path / "a.xml", None).shapes) == 1


def labelme(**changes: Any) -> str:
    shape = {"label": "a", "points": [[1, 1], [2, 1], [2, 2]], "shape_type": "polygon"}
    return json.dumps({"shapes": [shape], "imageHeight": 6, "imageWidth": 8} | changes)


def test_the_image_that_a_labelme_file_names_is_not_opened(tmp_path: Path) -> None:
    with counting(tmp_path) as counter:
        for place in (f"{counter.url}/a.png", "/etc/passwd", f"/vsicurl/{counter.url}/a.tif"):
            (tmp_path / "a.json").write_text(labelme(imagePath=place))
            assert len(read_labelme(tmp_path / "a.json").shapes) == 1
        assert counter.asked() == []


def test_the_mask_of_a_labelme_file_is_a_png_alone(tmp_path: Path) -> None:
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    mask = {"label": "a", "points": [[1, 1], [2, 2]], "shape_type": "mask"}
    mask["mask"] = base64.b64encode(postscript).decode()
    (tmp_path / "a.json").write_text(labelme(shapes=[mask]))
    with pytest.raises(PipelineError, match="is not a JSON file as Labelme writes it"):
        read_labelme(tmp_path / "a.json")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setattr("sys.argv", ["stage", "town"])
    return tmp_path


def write_params(inputs: str, scene: dict[str, Any], labels: dict[str, Any]) -> None:
    params = whole_params()
    town = {"title": "Town", "role": "train", "inputs": inputs, "osm": {"provider": "none"}}
    params["cities"] = {"town": town | {"scene": scene, "labels": labels}}
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def test_the_stages_of_a_scene_and_its_labels_trust_the_inputs_of_the_city(folder: Path) -> None:
    tif(folder / "inputs/a.tif", 1)
    mosaic = str(vrt(folder / "made/a.vrt", source(str(folder / "inputs/a.tif"))))
    scene = {"provider": "local", "path": mosaic, "bands": {"red": 1}}
    labels = {"source": "raster", "path": mosaic, "remap": {1: "road"}}
    write_params("../inputs", scene | {"mask": {"path": mosaic, "kind": "valid"}, "like": mosaic}, labels)
    stages.scene.main()
    stages.labels.main()
    with raster.reading(paths.labels("town")) as made:
        assert (made.read() == 2).all()

    paths.labels("town").unlink()
    write_params("../elsewhere", scene, labels)
    for stage, target in ((stages.labels, paths.labels("town")), (stages.scene, Path("data/scene/x"))):
        with pytest.raises(
            SystemExit, match=r"^error: .*a\.vrt names .*a\.tif', which lies in another folder"
        ):
            stage.main()
        assert not target.exists()
    assert not list(Path("data").rglob("*part*"))


def test_images_and_masks_of_a_data_set_trust_the_inputs_of_the_city(folder: Path) -> None:
    for name in ("a", "b", "c"):
        tif(folder / f"inputs/{name}.tif", 1)
        for kind in ("images", "masks"):
            vrt(folder / f"made/{kind}/{name}.vrt", source(str(folder / f"inputs/{name}.tif")))
    scene = {
        "provider": "folder",
        "images": str(folder / "made/images/{part}.vrt"),
        "bands": {"red": 1},
        "resolution_m": 1,
        "splits": {"val": ["b"], "test": ["c"]},
    }
    labels = {"source": "masks", "masks": str(folder / "made/masks/{part}.vrt"), "remap": {1: "road"}}
    write_params("../elsewhere", scene, labels)
    with pytest.raises(SystemExit, match="lies in another folder"):
        stages.scene.main()
    assert not Path("data/scene/town").exists()
    write_params("../inputs", scene, labels)
    stages.scene.main()
    stages.labels.main()
    with rasterio.open(paths.labels("town")) as made:
        assert set(made.read(1).ravel()) == {2, 255}
    write_params("../elsewhere", scene, labels)
    with pytest.raises(SystemExit, match="lies in another folder"):
        stages.labels.main()
