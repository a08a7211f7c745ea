import pytest
import yaml
from dvc.utils.serialize import modify_yaml

from tests.conftest import ROOT, whole_params
from urbanseg.config.params import load
from urbanseg.config.predict import PredictParams
from urbanseg.errors import PipelineError

NO_LOSS = {
    **whole_params()["train"]["loss"],
    **dict.fromkeys(("ce_weight", "focal_weight", "dice_weight", "lovasz_weight", "tversky_weight"), 0),
}


def changed(tmp_path, key, value):
    """params.yaml with one key set (or removed, if value is `...`)."""
    params = whole_params()
    *parents, last = key.split(".")
    section = params
    for parent in parents:
        section = section[parent]
    if value is ...:
        del section[last]
    else:
        section[last] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params, sort_keys=False))
    return path


def test_the_parameters_of_the_project_are_valid():
    assert load(ROOT / "params.yaml").class_table.names[1] == "building"


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("tiles.overlap", 128, "tiles: overlap 128 must be below the size 128"),
        ("tiles.size", 250, "tiles: size must be a multiple of 32"),
        ("tiles.block", 96, "tiles: block 96 must not be below the tile size 128"),
        ("predict.overlap", 600, "predict: overlap 600 must be below the size 512"),
        ("tiles.split.train", 0.9, "tiles.split: train, val and test must add up to 1"),
        ("train.epochs", "many", "train.epochs: input should be a valid integer.*got 'many'"),
        ("train.learning_rate", -1, "train.learning_rate: input should be greater than 0, got -1"),
        ("train.lr", 0.1, "train.lr: is not a parameter"),
        ("train.epochs", ..., "train.epochs: is missing"),
        ("train.loss", NO_LOSS, "train.loss: at least one of ce_weight, .* must be above 0"),
        ("train.accumulate", 3, "train: batch_size 8 must be a multiple of accumulate × devices, 3 × 1"),
        ("classes.road", {"color": "#7f8c8d"}, "classes.road.id: is missing"),
        ("classes.road.id", 4, "classes: road and water both have the id 4; give one of them another"),
        ("classes.road.id", 253, "classes.road.id: input should be less than or equal to 252, got 253"),
        ("classes.road.kind", "rail", "classes.road.kind: input should be 'other'"),
        ("train.only_class", "other", "train.only_class: other is what the rest is called"),
        ("classes.road.color", "grey", "classes.road.color: .*got 'grey'"),
        ("cities", {}, "cities: dictionary should have at least 1 item"),
        ("cities.demo.role", "both", "cities.demo.role: input should be 'train' or 'holdout', got 'both'"),
        ("cities.demo.scene.provider", "magic", "cities.demo.scene: .*'magic'.*"),
        ("cities.demo.osm", {"provider": "pbf"}, "cities.demo.osm.path: is missing"),
        (
            "cities.demo.osm",
            {"provider": "none"},
            "cities.demo: labels.source is osm, but osm.provider is none",
        ),
        ("labels.priority", ["tree"], "labels.priority names the class 'tree', but the classes are other, "),
        ("vectorize.square", ["hut"], "vectorize.square names the class 'hut', but the classes are other, "),
        ("labels.min_share.road", ..., "labels.min_share lacks road"),
        (
            "evaluate.targets.tree",
            {"acceptable": 0.5, "good": 0.6},
            "evaluate.targets names the class 'tree'",
        ),
        (
            "evaluate.targets.road",
            {"acceptable": 0.8, "good": 0.6},
            "evaluate.targets.road: acceptable 0.8 must not be above good 0.6",
        ),
    ],
)
def test_a_wrong_parameter_gets_a_sentence_that_names_it(tmp_path, key, value, sentence):
    with pytest.raises(PipelineError, match=sentence) as caught:
        load(changed(tmp_path, key, value))
    assert "\n" not in str(caught.value)


def test_an_empty_bbox_is_refused(tmp_path):
    scene = {"provider": "local", "path": "x.tif", "bands": {"red": 1}, "bbox": [10, 50, 10, 51]}
    with pytest.raises(PipelineError, match=r"cities\.demo\.scene\.bbox: .*west < east"):
        load(changed(tmp_path, "cities.demo.scene", scene))


def test_a_remap_to_an_unknown_class_is_refused(tmp_path):
    labels = {"source": "raster", "path": "x.tif", "remap": {10: "trees"}}
    with pytest.raises(PipelineError, match=r"cities\.demo\.labels\.remap names the class 'trees'"):
        load(changed(tmp_path, "cities.demo.labels", labels))


@pytest.mark.parametrize("name", ["overall", "training"])
def test_a_city_whose_metrics_would_overwrite_others_is_refused(tmp_path, name):
    demo = whole_params()["cities"]["demo"]
    with pytest.raises(PipelineError, match=rf"cities: a city can't be called {name}"):
        load(changed(tmp_path, "cities", {name: demo}))


@pytest.mark.parametrize(("own", "seed"), [(None, 7), (0, 0), (8, 8), (..., 7)])
def test_the_training_has_the_seed_of_everything_unless_it_has_its_own(tmp_path, own, seed):
    assert load(changed(tmp_path, "train.seed", own)).training_seed == seed


def test_parameters_of_before_keep_no_gap_between_splits(tmp_path):
    assert load(changed(tmp_path, "tiles.gap", ...)).tiles.gap == 0


def test_an_unknown_city_gets_the_list_of_cities():
    with pytest.raises(PipelineError, match="no city 'paris' under cities; the cities are demo, oasis"):
        load(ROOT / "params.yaml").city("paris")


def test_broken_yaml_is_one_sentence(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("seed: [1")
    with pytest.raises(PipelineError, match="is not valid YAML") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_parameters_that_dvc_has_rewritten_are_the_same(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    with modify_yaml(path) as params:
        params["seed"] = 8
    assert path.read_text() != (ROOT / "params.yaml").read_text()
    assert load(path) == load(ROOT / "params.yaml").model_copy(update={"seed": 8})


def test_predict_depends_on_all_its_parameters_but_on_where_it_runs():
    stage = yaml.safe_load((ROOT / "cities/template.yaml").read_text())["stages"]["predict"]
    (keys,) = (found for part in stage["params"] if (found := part.get("data/params/predict.json")))
    named = {key.removeprefix("predict.") for key in keys}
    assert named == set(PredictParams.model_fields) - {"scheduler"}
