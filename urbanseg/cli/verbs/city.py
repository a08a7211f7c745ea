"""Add, list and remove the cities of params.yaml.

`urbanseg city add` writes a checked entry, says what it stands for, and leaves all else in the file as it is.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from urbanseg import paths
from urbanseg.cli.parser import Parser


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    file = Parser(add_help=False)
    file.add_argument("--params", type=Path, default=paths.PARAMS, help="the file with the cities")
    tasks = parser.add_subparsers(dest="task", required=True, metavar="{add,list,remove}")
    add = tasks.add_parser(
        "add", help="write a new entry", description="Write a new entry into params.yaml.", parents=[file]
    )
    add.add_argument("name", help="letters a to z, digits and _")
    where = add.add_mutually_exclusive_group(required=True)
    where.add_argument("--place", help="name of a place, whose Sentinel-2 scene is downloaded")
    where.add_argument(
        "--bbox", help="west,south,east,north in degrees, whose Sentinel-2 scene is downloaded"
    )
    where.add_argument("--image", type=Path, help="a raster on this machine")
    add.add_argument(
        "--labels",
        type=Path,
        nargs="+",
        help="raster or vector files, of which the first goes before the others; by default OpenStreetMap",
    )
    add.add_argument("--attribute", help="column of vector files of labels that holds the class")
    add.add_argument(
        "--role", choices=("train", "holdout"), default="train", help="holdout: never trained on"
    )
    add.add_argument("--title", help="what people read; by default made of the name")
    add.add_argument(
        "--dates",
        help="first and last day of the search for a scene with little cloud, such as 2023-05-01/2023-07-31; "
        "by default all of last year",
    )
    tasks.add_parser(
        "list", help="show the cities", description="Show the cities of params.yaml.", parents=[file]
    )
    remove = tasks.add_parser(
        "remove", help="take an entry out", description="Take an entry out of params.yaml.", parents=[file]
    )
    remove.add_argument("name", help="a city of params.yaml")


def run(asked: Namespace) -> None:
    """Add, list or remove."""
    {"add": _add, "list": _list, "remove": _remove}[asked.task](asked)


def _add(asked: Namespace) -> None:
    from urbanseg.cli.area import area_of
    from urbanseg.config.city_entry import added, require_new
    from urbanseg.config.names import check_name
    from urbanseg.config.params import load
    from urbanseg.errors import PipelineError
    from urbanseg.workflows import new_city
    from urbanseg.workflows.params_file import edit, read

    try:
        check_name(asked.name, "city")
    except ValueError as error:
        raise PipelineError(str(error)) from None
    require_new(read(asked.params), asked.name, str(asked.params))
    if asked.image and asked.dates:
        raise PipelineError("--dates is for scenes that are downloaded; leave it out with --image")
    if asked.attribute and not asked.labels:
        raise PipelineError("--attribute is a column of --labels; name the file, too")
    classes, project = load(asked.params).class_table, asked.params.parent
    labels = asked.labels or []
    if asked.image:
        entry, told = new_city.of_image(asked.image, labels, asked.attribute, classes, project)
    else:
        entry, told = new_city.of_area(area_of(asked), asked.dates, labels, asked.attribute, classes, project)
    title = asked.title or asked.name.replace("_", " ").capitalize()
    entry = {"title": title, "role": asked.role, **entry}
    edit(asked.params, lambda text: added(text, asked.name, entry, str(asked.params)))
    print(f"added {asked.name} to {asked.params}")
    for line in told:
        print(f"  {line}")
    print("make repro runs it, and nothing of the other cities; a train city is also trained on")


def _list(asked: Namespace) -> None:
    from urbanseg.config.params import load

    cities = load(asked.params).cities
    rows = [("name", "role", "scene", "labels", "title")]
    rows += [(name, c.role, c.scene.provider, c.labels.source, c.title) for name, c in cities.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _remove(asked: Namespace) -> None:
    from urbanseg.config.city_entry import removed
    from urbanseg.workflows.params_file import edit

    edit(asked.params, lambda text: removed(text, asked.name, str(asked.params)))
    project = asked.params.parent
    left = [project / path for path in paths.of_city(asked.name) if (project / path).exists()]
    print(f"removed {asked.name} from {asked.params}")
    if left:
        print(f"these stay and may be deleted by hand: {', '.join(map(str, left))}")
