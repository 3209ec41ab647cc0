"""`docs/architecture.md`: its links lead to what they name, its layers are the house's, and it is one page."""

from __future__ import annotations

from tests.house.documents import faults_of, links
from tests.house.packages import layers
from tests.house.readme import links as links_of_readme
from tests.house.repository import ROOT

DOCS = ROOT / "docs"
TEXT = (DOCS / "architecture.md").read_text(encoding="utf-8")
ONE_PAGE_LINES = 140
HERE = ROOT / "tests/house"


def test_architecture_links_lead_to_what_they_name() -> None:
    """Each file exists and has the function, the class, the query or the constraint that the link's text names."""
    assert len(links(TEXT)) > 50
    assert faults_of(TEXT, DOCS) == []


def test_architecture_shows_the_layers() -> None:
    """The figure is import-linter's list, line by line."""
    figure = "\n".join(" | ".join(layer) for layer in layers()).replace("services.", "")
    assert f"```\n{figure}\n```" in TEXT


def test_architecture_is_one_page_that_the_readme_names() -> None:
    """Short enough to be read, and found by whoever reads the README."""
    assert len(TEXT.splitlines()) <= ONE_PAGE_LINES
    assert "docs/architecture.md" in [target for _, target in links_of_readme()]


def test_link_that_leads_elsewhere_is_found() -> None:
    """A file that is gone; a function, a method and a query that are not there; words are just words."""
    assert faults_of("[`links`](documents.py), [x](documents.py), [`TEXT`](readme.py)", HERE) == []
    assert faults_of("[x](gone.py)", HERE) == ["gone.py is not there"]
    assert faults_of("[`gone`](documents.py)", HERE) == ["documents.py has no gone"]
    assert faults_of("[`is_gone`](../../README.md)", HERE) == ["../../README.md has no is_gone"]
    lane = "../../services/issuer/lane.py"
    assert faults_of(f"[`Lane.handle`]({lane}) [`Lane.gone`]({lane})", HERE) == [
        f"{lane} has no Lane.gone"
    ]
