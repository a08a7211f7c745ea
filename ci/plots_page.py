"""The page that `dvc plots show` fills, with Vega inside: ``python -m ci.plots_page``, run by `make setup`.

DVC's own page loads Vega from the network and stays blank without it.
"""

from pathlib import Path

import vl_convert
from dvc.repo import Repo

from urbanseg.cli.guard import guarded
from urbanseg.io import files

PAGE = Path(".dvc/tmp/plots.html")
SCHEMA = "5.20"
"""Version of Vega-Lite, whose major is that of the templates under .dvc/plots and of DVC's own."""


def main() -> None:
    """Write the page, and tell DVC of it in .dvc/config.local."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(PAGE, page(vl_convert.javascript_bundle(None, SCHEMA)))  # type: ignore[arg-type]  # the stub lacks the default
    with Repo() as repo, repo.config.edit("local") as config:
        config["plots"] = {"html_template": PAGE.relative_to(".dvc").as_posix()}


def page(vega: str) -> str:
    """The page around the script `vega`, which sets `vegaEmbed`; DVC puts the plots into it.

    >>> page("a = '</script>'").count("</script>")
    1
    """
    script = vega.replace("</script", r"<\/script")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
{{refresh_tag}}
<title>Plots</title>
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 1.5rem; }} img {{ max-width: 100%; }}</style>
<script>
(() => {{
{script}
}})();
</script>
</head>
<body>
{{plot_divs}}
</body>
</html>
"""


if __name__ == "__main__":
    guarded(main)
