"""Compare the scores of two revisions: ``python -m ci.compare HEAD workspace``."""

import argparse
import json
from dataclasses import asdict

from ci.revisions import WORKSPACE, Revision, compare
from urbanseg import paths
from urbanseg.cli.guard import guarded
from urbanseg.config import params
from urbanseg.report import comparison


def main() -> None:
    """Print the comparison as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m ci.compare")
    about = "git revision, DVC experiment, or workspace; by default %(default)s"
    parser.add_argument("base", nargs="?", default="HEAD", help=about)
    parser.add_argument("new", nargs="?", default=WORKSPACE, help=about)
    parser.add_argument("--json", action="store_true", help="print the changes as JSON, and nothing else")
    sides = parser.parse_args()
    params.load(paths.PARAMS)  # before DVC reads it
    changes = compare(Revision(sides.base), Revision(sides.new))
    if sides.json:
        rows = [asdict(change) | {"verdict": change.verdict} for change in changes]
        print(json.dumps(rows).replace("NaN", "null"))
        return
    print(f"`{sides.base}` (base) against `{sides.new}` (new)\n")
    print(comparison.table(changes))


if __name__ == "__main__":
    guarded(main)
