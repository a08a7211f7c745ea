"""Every link of the documentation leads somewhere; addresses are only checked for their form."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def prose(text):
    """Markdown without its blocks of code, and without code in lines."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def anchors(path):
    """Names of the headings of a page, as GitHub and mkdocs make them."""
    titles = re.findall(
        r"^#+ (.+)$",
        re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE),
        re.MULTILINE,
    )
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def broken(page, link):
    """What is wrong with a link on a page; None if nothing is."""
    parts = urlsplit(link)
    if parts.scheme:
        return None if parts.scheme in {"http", "https"} and "." in parts.netloc else "is no address"
    target = (page.parent / parts.path).resolve() if parts.path else page
    if not target.exists():
        return "leads to no file"
    if parts.fragment and parts.fragment not in anchors(target):
        return "leads to no heading"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    found = {link: wrong for link in LINK.findall(prose(page.read_text())) if (wrong := broken(page, link))}
    assert found == {}


def test_links_that_lead_nowhere_are_noticed(tmp_path):
    page = Path(tmp_path, "a.md")
    page.write_text("# One thing\n")
    assert broken(page, "#one-thing") is None
    assert broken(page, "#other") == "leads to no heading"
    assert broken(page, "b.md") == "leads to no file"
    assert broken(page, "https://") == "is no address"


def test_every_page_of_the_documentation_is_in_the_site():
    listed = (ROOT / "mkdocs.yml").read_text()
    pages = [str(path.relative_to(ROOT / "docs")) for path in PAGES if path.is_relative_to(ROOT / "docs")]
    assert len(pages) > 10
    assert [page for page in pages if not re.search(rf"[ -]{re.escape(page)}$", listed, re.MULTILINE)] == []
