"""The evalscript is run by a JavaScript engine, because the loopback server only knows what it means."""

import json

import pytest
import quickjs

from urbanseg.imagery.sentinel2.process_api import evalscript


def engine(bands: list[str]) -> quickjs.Context:
    context = quickjs.Context()
    context.eval(evalscript(bands))
    return context


def pixel(context: quickjs.Context, **sample: float) -> dict[str, list[int]]:
    return json.loads(context.eval(f"JSON.stringify(evaluatePixel({json.dumps(sample)}))"))


def test_it_asks_for_reflectance_and_the_scene_class_and_gives_whole_numbers() -> None:
    said = json.loads(engine(["B02", "B8A"]).eval("JSON.stringify(setup())"))
    assert said == {
        "input": [
            {"bands": ["B02", "B8A", "SCL", "dataMask"], "units": ["REFLECTANCE", "REFLECTANCE", "DN", "DN"]}
        ],
        "output": [
            {"id": "bands", "bands": 2, "sampleType": "UINT16"},
            {"id": "scl", "bands": 1, "sampleType": "UINT8"},
        ],
    }
    assert evalscript(["B02"]).startswith("//VERSION=3\n")


@pytest.mark.parametrize(
    ("reflectance", "number"),
    [(0.1234, 1234), (0.12344, 1234), (0.12346, 1235), (0.0, 1), (-0.003, 1), (1.7, 17000), (9.0, 65535)],
)
def test_reflectance_becomes_ten_thousandths_of_at_least_1(reflectance: float, number: int) -> None:
    seen = pixel(engine(["B02", "B8A"]), B02=reflectance, B8A=0.5, SCL=4, dataMask=1)
    assert seen == {"bands": [number, 5000], "scl": [4]}


def test_where_there_is_no_data_all_is_0() -> None:
    unseen = pixel(engine(["B02", "B8A"]), B02=0.2, B8A=0.5, SCL=4, dataMask=0)
    assert unseen == {"bands": [0, 0], "scl": [0]}


def test_a_preview_is_the_scene_class_alone() -> None:
    context = engine([])
    assert json.loads(context.eval("JSON.stringify(setup().output.map(o => o.id))")) == ["scl"]
    assert pixel(context, SCL=9, dataMask=1) == {"scl": [9]}
