"""Look at scenes and maps in the browser, and correct them.

urbanseg review opens the cities of the project in this folder; urbanseg review CITY starts with one of them,
and urbanseg review IMAGE maps an image and shows it, also outside of a project. A folder that urbanseg map
wrote is shown as it is. The server answers this machine alone, to whoever has the address that it prints.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path


def arguments(parser: ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "what", nargs="?", metavar="CITY|IMAGE", help="a city of params.yaml, an image, or a map's folder"
    )
    parser.add_argument("--user", help="whom corrections are by; by default who is logged in")
    parser.add_argument("--port", type=int, default=0, help="to listen on; 0 for any that is free")
    parser.add_argument("--no-browser", action="store_true", help="print the address, and open no browser")


def run(asked: Namespace) -> None:
    """Serve until Ctrl-C."""
    import getpass

    from urbanseg.errors import missing_package

    try:
        from urbanseg.review.server import prepare, serve
    except ModuleNotFoundError as error:
        raise missing_package(error, "review") from error
    from urbanseg.review.start import desk_for

    prepare()
    desk = desk_for(asked.what, asked.user or getpass.getuser(), Path())
    serve(desk, asked.port, browse=not asked.no_browser)
