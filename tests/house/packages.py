"""The packages of this repository, read and not run: their modules, their docstrings, who imports whom."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.house.repository import ROOT, python_files


def dotted(path: Path) -> str:
    """The name by which a module, or the package of an `__init__`, is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def tree_of(path: Path) -> ast.Module:
    """A module's syntax."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def modules(*packages: str) -> dict[str, Path]:
    """Every module and package below these, by dotted name."""
    return {dotted(path): path for path in python_files(*packages)}


def parts_of(package: Path) -> set[str]:
    """What a package consists of: its modules by name, its packages by name and `/`."""
    inside = [path for path in python_files() if package in path.parents]
    return {path.stem for path in inside if path.parent == package and path.stem != "__init__"} | {
        f"{path.relative_to(package).parts[0]}/" for path in inside if path.parent != package
    }


def imports_of(path: Path) -> Iterator[str]:
    """Our modules that this one imports at its top, for its types too.

    What a function imports is left out: it is imported when it is called, by then every module is complete.
    """
    known = modules("services", "schemas")
    for node in _outside_functions(tree_of(path)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in known else str(node.module) for name in inside]
        yield from (name for name in names if name in known)


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from _outside_functions(child)


def layers() -> list[list[str]]:
    """The rooms in their layers as import-linter holds them, the topmost first."""
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = configuration["tool"]["importlinter"]["contracts"][0]
    assert contract["type"] == "layers"
    return [[room.strip() for room in layer.split("|")] for layer in contract["layers"]]
