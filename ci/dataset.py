"""Print the steps from a published data set to its scores: ``python -m ci.dataset NAME``.

What there is to know of a data set is at the head of its recipe, `params/datasets/NAME.yaml`; nothing is
downloaded here, as most licences want to be read first.
"""

import argparse
import re
import sys
from pathlib import Path

from ruamel.yaml import YAML

RECIPES = Path("params/datasets")
HEAD = re.compile(r"# (?P<key>\w+): (?P<text>.+)")


def head(recipe: Path) -> dict[str, str]:
    """What the comments at the start of a recipe say, by their first word; the first line is `about`."""
    lines = recipe.read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    found = {"about": lines[0].removeprefix("# ")}
    for line in lines[1:]:
        if match := HEAD.fullmatch(line):
            found[match["key"].lower()] = match["text"]
    return found


def steps(name: str) -> str:
    """The steps of a data set as text.

    Args:
        name: of its recipe.

    Raises:
        SystemExit: naming the recipes, if there is none of that name.
    """
    recipe = RECIPES / f"{name}.yaml"
    if not recipe.is_file():
        known = ", ".join(sorted(path.stem for path in RECIPES.glob("*.yaml")))
        sys.exit(f"error: NAME must be one of {known}, as in make dataset NAME=ben_ge_800")
    about = head(recipe)
    [city] = YAML(typ="safe").load(recipe.read_text(encoding="utf-8"))["cities"]
    wanted = [
        f"get it from {about['source']}; its licence: {about['licence']}",
        f"unpack it as {about['folder']}",
        *([about["prepare"]] if "prepare" in about else []),
        f"urbanseg params {recipe}",
        "make repro",
        f"read metrics/{city}.json and reports/index.html, or make metrics",
        "git checkout params.yaml takes the recipe out again",
    ]
    return "\n".join(
        [
            about["about"],
            about["size"],
            *(f"{number}. {step}" for number, step in enumerate(wanted, 1)),
            f"Published: {about['published']}",
            f"What differs: {about['differs']}",
        ]
    )


def main() -> None:
    """Print the steps of the data set that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", default="")
    print(steps(parser.parse_args().name))


if __name__ == "__main__":
    main()
