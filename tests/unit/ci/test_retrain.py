from types import SimpleNamespace

from ci.retrain import remote_sources, report
from tests.conftest import shipped_params
from urbanseg.report.comparison import Gate


def city(scene, osm):
    return SimpleNamespace(scene=SimpleNamespace(provider=scene), osm=SimpleNamespace(provider=osm))


def test_only_servers_are_asked_for_something_new():
    cities = {"a": city("stac", "overpass"), "b": city("sentinelhub", "pbf"), "c": city("local", "none")}
    assert remote_sources(cities) == [
        "cities/a/dvc.yaml:scene",
        "cities/b/dvc.yaml:scene",
        "cities/a/dvc.yaml:osm",
    ]


def test_the_embedded_cities_have_nothing_new_to_fetch():
    assert remote_sources(shipped_params().cities) == []


def test_the_report_says_why_the_gate_failed_and_who_opened_it():
    said = {
        "base": "main",
        "stages": ["train"],
        "table": "| t |",
        "gate": Gate(["demo: x"], ["demo: y"]),
        "cities": ["demo"],
    }
    assert "**Gate: failed; the results are not recorded**\n\n- demo: x\n- not judged: demo: y\n" in report(
        **said, accept=False
    )
    assert "**Gate: accepted by hand, although it failed**" in report(**said, accept=True)
    assert "**Gate: passed**" in report(**said | {"gate": Gate([], [])}, accept=False)
    assert "![demo: errors](previews/demo/errors.png)" in report(**said, accept=False)
