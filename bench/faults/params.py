"""Broken parameters: values, and files that are no parameters."""

from datetime import date
from itertools import pairwise
from typing import Any

from bench.faults.case import Case, damages, put, write

CHECK = ("params",)
SCENE = "cities.town.scene"
LOCAL = {"provider": "local", "path": "scene.tif", "bands": {"red": 1}}
AREA = {"area": {"bbox": [9, 48, 9.1, 48.1]}, "dates": "2023-05-01/2023-07-31"}
STAC = {"provider": "stac", "profile": "earth_search"} | AREA
SIMULATED = {
    "provider": "simulated", "datetime": "2023-06-14T10:26:00Z", "sun_azimuth": 158, "sun_elevation": 62,
    "noise": 0, "haze": 0, "cloud_share": 0,
    "layout": {"seed": 1, "style": "river", "longitude": 9, "latitude": 48, "width_m": 640, "height_m": 640},
}  # fmt: skip
NUMBERS = (
    "seed", "classes.road.id", "osm.max_gap_months", "labels.supersample", "labels.min_share.road",
    "labels.line_width_m.river", "labels.default_line_width_m", "labels.unmapped_cell_m", "tiles.size",
    "labels.cloud_dilation_m", "tiles.block", "tiles.overlap", "tiles.split.val", "train.crop",
    "train.threads",
    "train.epochs", "train.batch_size", "train.learning_rate", "train.loss.ce_weight", "train.upsample",
    "train.augment.scale", "export.check_tiles", "predict.size", "predict.overlap", "predict.batch_size",
    "predict.threads", "vectorize.simplify_m", "vectorize.min_hole_m2", "vectorize.roads.max_gap_m",
    "change.shift_px", "evaluate.boundary_tolerance_m", "evaluate.roads.apls_spacing_m", "evaluate.workers",
    "evaluate.bootstrap.cell_m", "evaluate.bootstrap.samples", "sampling.points",
)  # fmt: skip
WRONG_NUMBERS: dict[str, Any] = {"true": True, "huge": 1e300, "negative": -3}

VALUES: tuple[tuple[str, Any], ...] = (
    ("seed", 2**64), ("seed", 1.5), ("seed", "many"), ("seed", None), ("seed", [1]), ("seed", ...),
    (SCENE, LOCAL | {"scale": 0}), (SCENE, LOCAL | {"scale": -1}), (SCENE, LOCAL | {"scale": 1e300}),
    (SCENE, LOCAL | {"bands": {"red": True}}), (SCENE, LOCAL | {"bands": {"red": 0}}),
    (SCENE, LOCAL | {"bands": {"": 1}}), (SCENE, LOCAL | {"bands": {}}), (SCENE, LOCAL | {"path": ""}),
    (SCENE, LOCAL | {"path": "a\0b"}), (SCENE, LOCAL | {"path": 7}), (SCENE, LOCAL | {"crs": "EPSG:0"}),
    (SCENE, LOCAL | {"crs": "EPSG:4326"}), (SCENE, LOCAL | {"bbox": [-999, 0, 999, 1]}),
    (SCENE, LOCAL | {"bbox": [1, 1, 1, 1]}), (SCENE, LOCAL | {"bbox": [1, 2, 3]}),
    (SCENE, LOCAL | {"nodata": True}), (SCENE, LOCAL | {"resolution_m": 1e-9}),
    (SCENE, LOCAL | {"like": "a.tif", "crs": "EPSG:32632"}), (SCENE, LOCAL | {"datetime": "0000-00-00"}),
    (SCENE, LOCAL | {"datetime": "0001-01-01T00:00:00+14:00"}), (SCENE, LOCAL | {"datetime": 20230614}),
    (SCENE, LOCAL | {"mask": {"path": "a.tif", "kind": "scl", "values": [1]}}), (SCENE, None), (SCENE, {}),
    (SCENE, STAC | {"dates": "2023-07-31/2023-05-01"}), (SCENE, STAC | {"dates": "2023-02-30/2023-03-01"}),
    (SCENE, STAC | {"bands": ["B02", "B02"]}), (SCENE, STAC | {"assets": {"red": "x"}}),
    (SCENE, STAC | {"hosts": ["https://x.org/a"]}), (SCENE, STAC | {"hosts": ["x.org", "x.org"]}),
    (SCENE, STAC | {"area": {"bbox": [9, 48, 999, 49]}}), (SCENE, STAC | {"area": {}}),
    (SCENE, STAC | {"request_px": 1000}), (SCENE, STAC | {"url": "ftp://x.org"}),
    (SCENE, STAC | {"choose": {"rule": "median", "dates": 1}}),
    (SCENE, SIMULATED | {"resolution_m": 1e6}), (SCENE, SIMULATED | {"resolution_m": 1e-9}),
    (SCENE, SIMULATED | {"render_m": 3}), (SCENE, SIMULATED | {"resolution_m": 200}),
    (SCENE, SIMULATED | {"layout": SIMULATED["layout"] | {"seed": -1}}),
    (SCENE, SIMULATED | {"layout": SIMULATED["layout"] | {"width_m": 1e9}}),
    (SCENE, SIMULATED | {"layout": None}), (SCENE, SIMULATED | {"osm_path": "a.pbf"}),
    ("cities", {}), ("cities", []), ("cities.town", None), ("cities.town.role", "both"),
    ("cities.town.title", ""), ("cities.town.title", "a\nb"), ("cities.town.inputs", ""),
    ("cities.town.labels.remap", {True: "road"}), ("cities.town.labels.remap", {10**30: "road"}),
    ("cities.town.labels.remap", {1: "hut"}), ("cities.town.labels.remap", "worldcove"),
    ("cities.town.labels.remap", {}), ("cities.town.osm", {"provider": "pbf"}),
    ("cities.town.osm", {"provider": "pbf", "path": "x", "date": "soon"}),
    ("classes", {}), ("classes.road.color", "grey"), ("classes.road.title", "building"),
    ("osm.rules.hut", []), ("osm.rules.road", [{"geometry": "dot", "tags": {"a": "*"}}]),
    ("osm.rules.road", [{"geometry": "line", "tags": {"a": ["b", "b"]}}]), ("osm.keep_tags", ["a", "a"]),
    ("labels.priority", ["road", "road"]), ("labels.priority", []), ("labels.min_share", {"hut": 0.5}),
    ("labels.ignore_scl", [12]), ("labels.ignore_scl", [1, 1]), ("train.decoder_channels", [1, 2]),
    ("train.decoder_channels", [10**9] * 5), ("train.crop", 4096), ("train.only_class", "other"),
    ("train.lr", 1), ("export.formats", ["onnx", "onnx"]), ("predict.classes", ["hut"]),
    ("predict.classes", []), ("predict.min_confidence", {"hut": 1}),
    ("predict.rasters", ["margin", "margin"]),
    ("predict.scheduler", "tcp://u:p@h:1"), ("vectorize.min_area_m2", {"hut": 1}),
    ("vectorize.min_area_m2", {"road": True}), ("vectorize.formats", []), ("vectorize.square", ["hut"]),
    ("evaluate.boundary_tolerances_m", [1e12]), ("evaluate.boundary_tolerances_m", [1e300]),
    ("evaluate.boundary_tolerances_px", [1, 1]), ("evaluate.targets", {"road": {"good": 2}}),
    ("evaluate.targets", {"hut": {"acceptable": 0.1, "good": 0.2}}), ("change", date(2023, 6, 14)),
)  # fmt: skip

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in pairwise("abcdefghi")
)
TEXTS: dict[str, str | bytes] = {
    "empty": "", "a list": "[1]", "a number": "7", "unclosed": "seed: [1", "indentation": "a: 1\n  b: 2",
    "deep lists": "[" * 200_000, "deep mappings": "{a: " * 50_000, "deep lines": "- " * 50_000,
    "deep keys": "? " * 50_000, "a bomb of anchors": BOMB, "an anchor in itself": "a: &a [*a]",
    "no such anchor": "a: *b", "a long integer": f"seed: {'9' * 5000}", "a tag": "seed: !!int abc",
    "an empty tag": 'seed: !!int ""', "no boolean": "a: !!bool x", "no month": "a: 2023-13-45",
    "no hour": "a: 2023-06-14T99:00:00Z", "a key twice": "seed: 1\nseed: 2",
    "two documents": "a: 1\n---\nb: 2",
    "an object": "a: !!python/object:os.system x", "a control character": "a: \x01", "a tab": "a:\n\tb: 1",
    "no character": '"\\U00110000": 1', "half a character": '"\\ud800": 1',
    "latin-1": "# Z\xfcrich".encode("latin-1"),
    "UTF-16": "seed: 7".encode("utf-16"), "UTF-16 without a mark": "seed: 7".encode("utf-16-le"),
    "UTF-32": "seed: 7".encode("utf-32"), "bytes": bytes(range(256)), "zeros": bytes(1000),
    "a long line": "a" * 2_000_000, "version 9": "%YAML 9.9\n---\na: 1", "a map as a key": "? {a: 1}\n: 1",
}  # fmt: skip

CITY_NAMES = ("", "a b", "../x", "Town", "all", "x" * 65, 1, None, "a\n", "é")


def cases() -> list[Case]:
    """All cases of parameters."""
    made = [
        Case(f"{key}: {what}", put(key, value), CHECK, key.rsplit(".", 1)[-1])
        for key in NUMBERS
        for what, value in WRONG_NUMBERS.items()
    ]
    made += [
        Case(f"{key}: {str(value)[:60]}", put(key, value), CHECK, key.split(".")[0]) for key, value in VALUES
    ]
    made += [
        Case(f"params.yaml: {name}", write("params.yaml", text), CHECK, r"params\.yaml")
        for name, text in TEXTS.items()
    ]
    made += [
        Case(f"params.yaml: {name}", change, CHECK, r"params\.yaml")
        for name, change in damages("params.yaml").items()
    ]
    made += [Case(f"city {name!r}", put("cities", {name: {}}), CHECK, "cities") for name in CITY_NAMES]
    return made
