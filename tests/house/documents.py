"""Documents as data: their links, and whether what a link's text names is in the file that it leads to."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.house.packages import tree_of


def links(text: str) -> list[tuple[str, str]]:
    """(text, target) of every link."""
    return [
        (" ".join(said.split()), to) for said, to in re.findall(r"\[([^\]]+)\]\(([^)]+)\)", text)
    ]


def faults_of(text: str, folder: Path) -> list[str]:
    """Links of a document in this folder that lead nowhere, or to a file without what their text names."""
    faults = []
    for said, target in links(text):
        path = (folder / target).resolve()
        name = re.fullmatch(r"`([\w.]+)`", said)
        if not path.exists():
            faults.append(f"{target} is not there")
        elif name is not None and not has(path, name[1]):
            faults.append(f"{target} has no {name[1]}")
    return faults


def has(path: Path, name: str) -> bool:
    """A module of that name, or with that function, class, method or constant in it; other files have it in their text."""
    if path.suffix != ".py":
        return (
            path.is_dir()
            or re.search(rf"\b{re.escape(name)}\b", path.read_text("utf-8")) is not None
        )
    if name == path.stem:
        return True
    body: list[ast.stmt] = tree_of(path).body
    for part in name.split("."):
        found = [node for node in body if part in _names(node)]
        if not found:
            return False
        body = getattr(found[0], "body", [])
    return True


def _names(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else []
    targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
    return {target.id for target in targets if isinstance(target, ast.Name)}
