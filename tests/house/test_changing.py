"""`docs/changing.md`: recipes whose every step names the test that fails when it is forgotten; all of them exist."""

from __future__ import annotations

import re

import pytest

from tests.house.documents import faults_of, links
from tests.house.repository import ROOT

DOCS = ROOT / "docs"
TEXT = (DOCS / "changing.md").read_text(encoding="utf-8")
RECIPES = [
    "A decline reason",
    "A field of a game that is a rule",
    "A field of a game that is shown only",
    "A field of a program",
    "A topic",
    "An effect",
    "A family of state",
    "A table or a column",
    "A resource of a dialect",
    "A command",
    "A metric",
    "A setting",
]


def recipes(text: str) -> dict[str, list[str]]:
    """The steps by recipe, lines joined."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    return {
        title: [
            " ".join(step.split()) for step in re.split(r"^\d+\. ", body, flags=re.MULTILINE)[1:]
        ]
        for title, body in zip(parts[::2], parts[1::2], strict=True)
    }


def untold(step: str) -> bool:
    """Whether nothing is named that would tell of it: a test, or the type checker."""
    tests = [said for said, to in links(step) if "/tests/" in to and said.startswith("`test_")]
    told = step.partition("Told by ")[2]
    return not told or not (tests or "mypy" in told)


def test_changing_has_its_recipes() -> None:
    """The kinds of change there are, numbered steps in each."""
    assert list(recipes(TEXT)) == RECIPES
    assert all(recipes(TEXT).values())


def test_changing_links_lead_to_what_they_name() -> None:
    """Each place to touch exists, and each test is in the file that it is said to be in."""
    assert len(links(TEXT)) > 80
    assert faults_of(TEXT, DOCS) == []


@pytest.mark.parametrize("recipe", RECIPES)
def test_changing_names_what_tells_of_each_step(recipe: str) -> None:
    """A step that nothing tells of will be forgotten."""
    assert [step for step in recipes(TEXT)[recipe] if untold(step)] == []


def test_step_without_a_test_is_found() -> None:
    """No test, or one that is only mentioned; the type checker is as good as a test."""
    link = "[`test_x`](../tests/x.py)"
    assert untold("Do it.")
    assert untold("Do it. Told by whoever trips over it.")
    assert untold(f"See {link}.")
    assert not untold(f"Do it. Told by {link}.")
    assert not untold("Do it. Told by mypy.")
