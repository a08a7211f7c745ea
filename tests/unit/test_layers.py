"""The house keeps its rooms: imports go down only, there is no circle, and little lies loose."""

import ast
from functools import cache
from graphlib import TopologicalSorter
from itertools import chain

import pytest

from tests.conftest import ROOT

LAYERS = [
    {"stages", "cli"},
    {"review"},
    {"workflows"},
    {"imagery", "osm", "labels", "learn", "infer", "mapping", "metrics", "packed", "region", "report"},
    {
        "calibration",
        "config",
        "display",
        "io",
        "dataset",
        "model",
        "roads",
        "grid",
        "classes",
        "errors",
        "paths",
        "redact",
    },
]
"""From the top; who stands lower is imported by who stands higher."""

BETWEEN_AREAS = {("report", "metrics")}
"""Rooms of the fourth layer that one of them may import."""

TOP = {"cli": {"stages"}}
"""Rooms of the first layer, and who may import them there."""


def modules():
    """Each module of the library and of the stages by its dotted name."""
    files = chain((ROOT / "urbanseg").rglob("*.py"), (ROOT / "stages").glob("*.py"))
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in files
    }


@cache
def imported(path):
    """What a file imports, anywhere in it: modules and the names taken from them, None for the whole."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += [(node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
    return found


def imports(path, known):
    """Modules of the project that a file imports, anywhere in it."""
    for module, name in imported(path):
        yield f"{module}.{name}" if f"{module}.{name}" in known else module


MODULES = modules()
GRAPH = {name: {i for i in imports(path, MODULES) if i in MODULES} - {name} for name, path in MODULES.items()}


def room(module):
    """``imagery`` of ``urbanseg.imagery.local.masks``, ``grid`` of ``urbanseg.grid``."""
    first, *rest = module.split(".")
    return rest[0] if first == "urbanseg" and rest else first


def between_rooms():
    pairs = {(room(a), room(b)) for a, found in GRAPH.items() for b in found}
    return sorted((a, b) for a, b in pairs if a != b and "urbanseg" not in {a, b})


def level(name):
    return next(i for i, rooms in enumerate(LAYERS) if name in rooms)


def test_every_room_has_its_layer():
    assert {room(module) for module in MODULES} - {"urbanseg"} <= set(chain.from_iterable(LAYERS))


def test_imports_go_down_only():
    wrong = [
        (a, b)
        for a, b in between_rooms()
        if level(a) > level(b)
        or (level(a) == level(b) == 3 and (a, b) not in BETWEEN_AREAS)
        or (level(a) == level(b) == 0 and a not in TOP.get(b, ()))
    ]
    assert wrong == []
    assert len(between_rooms()) > 30, "the imports were not found"


@pytest.mark.parametrize("graph", ["rooms", "modules"])
def test_there_is_no_circle(graph):
    edges = between_rooms() if graph == "rooms" else [(a, b) for a, found in GRAPH.items() for b in found]
    sorter = TopologicalSorter()
    for a, b in edges:
        if not a.startswith(f"{b}."):  # a package's own __init__ may gather what is in it
            sorter.add(a, b)
    sorter.prepare()  # raises CycleError


def test_few_rooms_and_little_that_lies_loose():
    loose = list((ROOT / "urbanseg").glob("*.py"))
    rooms = [path for path in (ROOT / "urbanseg").iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert len(loose) <= 6
    assert len(loose) + len(rooms) <= 27


def test_albumentations_is_imported_by_one_module():
    """It is archived, so that another library may have to take its place."""
    importers = [
        name
        for name, path in MODULES.items()
        if any(found.split(".")[0] == "albumentations" for found in imports(path, MODULES))
    ]
    assert importers == ["urbanseg.learn.data"]


def reached(module):
    """The modules of the project that importing a module imports."""
    found, todo = set(), [module]
    while todo:
        todo += (new := GRAPH[todo.pop()] - found)
        found |= new
    return found


def test_who_imports_pyogrio_leaves_it_no_other_drivers():
    importers = [
        name
        for name, path in MODULES.items()
        if any(found.split(".")[0] == "pyogrio" for found in imports(path, MODULES))
    ]
    assert len(importers) > 8
    free = [name for name in importers if "urbanseg.io.vector_drivers" not in reached(name)]
    assert free == ["urbanseg.io.vector_drivers"]
