"""Add, list and remove the cities of params.yaml.

`urbanseg city add` writes a checked entry, says what it stands for, and leaves all else in the file as it is.
"""

from argparse import ArgumentParser, Namespace
from datetime import date
from pathlib import Path

from urbanseg import paths

LAST_YEAR = date.today().year - 1


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--params", type=Path, default=paths.PARAMS, help="the file with the cities")
    tasks = parser.add_subparsers(dest="task", required=True, metavar="{add,list,remove}")
    add = tasks.add_parser("add", help="write a new entry", description="Write a new entry into params.yaml.")
    add.add_argument("name", help="letters a to z, digits and _")
    where = add.add_mutually_exclusive_group(required=True)
    where.add_argument("--place", help="name of a place, whose Sentinel-2 scene is downloaded")
    where.add_argument(
        "--bbox", help="west,south,east,north in degrees, whose Sentinel-2 scene is downloaded"
    )
    where.add_argument("--image", type=Path, help="a raster on this machine")
    add.add_argument("--labels", type=Path, help="a raster or vector file; by default OpenStreetMap")
    add.add_argument("--attribute", help="column of a vector file of labels that holds the class")
    add.add_argument(
        "--role", choices=("train", "holdout"), default="train", help="holdout: never trained on"
    )
    add.add_argument("--title", help="what people read; by default made of the name")
    add.add_argument(
        "--dates",
        default=f"{LAST_YEAR}-01-01/{LAST_YEAR}-12-31",
        help="first and last day of the search for a scene with little cloud",
    )
    tasks.add_parser("list", help="show the cities", description="Show the cities of params.yaml.")
    remove = tasks.add_parser(
        "remove", help="take an entry out", description="Take an entry out of params.yaml."
    )
    remove.add_argument("name", help="a city of params.yaml")


def run(asked: Namespace) -> None:
    """Add, list or remove."""
    {"add": _add, "list": _list, "remove": _remove}[asked.task](asked)


def _add(asked: Namespace) -> None:
    from urbanseg.cli.params_file import put, read
    from urbanseg.config.city_entry import added
    from urbanseg.config.names import check_name
    from urbanseg.errors import PipelineError
    from urbanseg.workflows import new_city

    try:
        check_name(asked.name, "city")
    except ValueError as error:
        raise PipelineError(str(error)) from None
    text, params = read(asked.params)
    if asked.image:
        entry, told = new_city.of_image(asked.image, asked.labels, asked.attribute, params.class_table)
    else:
        entry, told = new_city.of_area(
            _area(asked), asked.dates, asked.labels, asked.attribute, params.class_table
        )
    title = asked.title or asked.name.replace("_", " ").capitalize()
    entry = {"title": title, "role": asked.role, **entry}
    put(asked.params, added(text, asked.name, entry, str(asked.params)))
    print(f"added {asked.name} to {asked.params}")
    for line in told:
        print(f"  {line}")
    print("make repro runs it, and nothing of the other cities; a train city is also trained on")


def _area(asked: Namespace) -> dict[str, object]:
    from urbanseg.errors import PipelineError

    if asked.place:
        return {"place": asked.place}
    try:
        edges = [float(part) for part in asked.bbox.split(",")]
    except ValueError:
        edges = []
    if len(edges) != 4:
        raise PipelineError(f"--bbox must be four numbers, west,south,east,north, got {asked.bbox}")
    west, south, east, north = edges
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise PipelineError(
            "--bbox must have west < east, between -180 and 180 degrees, and south < north, "
            f"between -90 and 90, got {asked.bbox}"
        )
    return {"bbox": edges}


def _list(asked: Namespace) -> None:
    from urbanseg.cli.params_file import read

    cities = read(asked.params)[1].cities
    rows = [("name", "role", "scene", "labels", "title")]
    rows += [(name, c.role, c.scene.provider, c.labels.source, c.title) for name, c in cities.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _remove(asked: Namespace) -> None:
    from urbanseg.cli.params_file import put, read
    from urbanseg.config.city_entry import removed

    put(asked.params, removed(read(asked.params)[0], asked.name, str(asked.params)))
    left = [path for path in paths.of_city(asked.name) if path.exists()]
    print(f"removed {asked.name} from {asked.params}")
    if left:
        print(f"these stay and may be deleted by hand: {', '.join(map(str, left))}")
