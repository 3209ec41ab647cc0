"""How modules and tests look: short, introduced, named for what they are about."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.house.repository import ROOT, name_of, python_files

LONGEST_MODULE_LINES = 300
LONGEST_TEST_MODULE_LINES = 450
"""More, because a table of cases grows and is still read one case at a time."""
LONGEST_FUNCTION_LINES = 60
VAGUE_NAMES = {
    "utils",
    "util",
    "common",
    "helpers",
    "helper",
    "base",
    "manager",
    "managers",
    "misc",
}

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def test_module_is_short_introduced_and_named() -> None:
    """A module says at its top what it is for, fits in the head, and is not called `utils`."""
    wrong = []
    for path in python_files():
        text = path.read_text(encoding="utf-8")
        lines = len(text.splitlines())
        is_test = name_of(path).startswith("tests/")
        if lines > (LONGEST_TEST_MODULE_LINES if is_test else LONGEST_MODULE_LINES):
            wrong.append(f"{name_of(path)}: {lines} lines")
        if path.stem in VAGUE_NAMES:
            wrong.append(f"{name_of(path)}: says nothing about what is in it")
        if text.strip() and not ast.get_docstring(tree_of(path)):
            wrong.append(f"{name_of(path)}: no docstring at its top")
    assert not wrong, "\n".join(wrong)


def test_function_fits_a_screen() -> None:
    """No function or method of the services is longer than a screen."""
    wrong = []
    for path, node in definitions("services", "schemas"):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if not isinstance(node, ast.ClassDef) and lines > LONGEST_FUNCTION_LINES:
            wrong.append(f"{name_of(path)}: {node.name} has {lines} lines")
    assert not wrong, "\n".join(wrong)


def test_public_name_has_a_docstring() -> None:
    """What other modules may use says what it gives; the parts behind it speak through their names."""
    wrong = [
        f"{name_of(path)}: {node.name}"
        for path, node in definitions("services", "schemas", top_level=True)
        if not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert not wrong, "\n".join(wrong)


def test_test_says_what_it_shows() -> None:
    """Every test is called test_<subject>_<behaviour> and opens with a sentence."""
    wrong = [
        f"{name_of(path)}: {node.name}"
        for path, node in definitions("tests")
        if node.name.startswith("test_")
        and (
            node.name.count("_") < 2
            or not (ast.get_docstring(node) or "").endswith((".", "?", "!"))
        )
    ]
    assert not wrong, "\n".join(wrong)


def test_reason_stands_beside_every_exception() -> None:
    """A linter's rule is switched off with a reason on the same line, in the configuration and in the code."""
    configuration = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    rules = re.findall(r'^ +"[A-Z]+\d+",.*$', configuration, re.MULTILINE)
    assert rules
    assert [rule for rule in rules if "#" not in rule] == []
    bare = re.compile(r"# (?:noqa(?!: [A-Z0-9, ]+ [-(]+ ?\w)|type: ignore(?!\[))")
    wrong = [
        f"{name_of(path)}: {line.strip()}"
        for path in python_files()
        for line in path.read_text(encoding="utf-8").splitlines()
        if bare.search(line) and path != Path(__file__)
    ]
    assert not wrong, "\n".join(wrong)


@cache
def tree_of(path: Path) -> ast.Module:
    """What is in a module; the rules look at each several times."""
    return ast.parse(path.read_text(encoding="utf-8"))


def definitions(*packages: str, top_level: bool = False) -> Iterator[tuple[Path, Definition]]:
    """Every function and class of these packages, with its file."""
    for path in python_files(*packages):
        tree = tree_of(path)
        for node in tree.body if top_level else ast.walk(tree):
            if isinstance(node, Definition):
                yield path, node
