"""The maps in the packages' docstrings are true: every room is on them, and none that is not there."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.house.packages import dotted, imports_of, layers, modules, parts_of, tree_of
from tests.house.repository import ROOT, name_of, python_files

ROOMS = [room for layer in layers() for room in layer]
MAPPED = ("services", "schemas", "bench", "tests/stand", "tests/simulation", "tests/faults")
PACKAGES = sorted(
    {path.parent for path in python_files() if name_of(path).startswith(tuple(f"{m}/" for m in MAPPED))}
)  # fmt: skip
INITS = [package / "__init__.py" for package in PACKAGES]
READ_IN_ORDER = [ROOT / "services/domain", ROOT / "services/domain/coupons"]
"""Facts, state, rules: nothing needs what is read later."""


def quoted(text: str) -> list[str]:
    """What stands in backticks, broken lines joined."""
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", text)]


def mentions(text: str) -> list[str]:
    """The parts of its package that a map names: `module` or `package/`. Commands, types and constants are none."""
    return [word for word in quoted(text) if re.fullmatch(r"[a-z_0-9]+/?", word)]


def wrong_with(text: str, package: Path) -> list[str]:
    """What is not true of this map."""
    named, there = Counter(mentions(text)), parts_of(package)
    wrong = [f"{part} is not named" for part in sorted(there - named.keys())]
    wrong += [f"{part} is named {named[part]} times" for part in sorted(there) if named[part] > 1]
    for part in sorted(named.keys() - there):
        # Of others by path: `generated/` has no module in it, and `schemas` is a package beside this one.
        if not (package / part).is_dir() and not (ROOT / part).is_dir():
            wrong.append(f"{part} is not there")
    for word in quoted(text):
        is_file = re.fullmatch(r"[a-z_/]+\.(py|sql|txt|md)", word)
        if is_file and not (package / word).is_file() and not (ROOT / word).is_file():
            wrong.append(f"{word} is no file")
        if re.match(r"(services|schemas)\.[a-z]", word) and word not in modules(
            "services", "schemas"
        ):
            wrong.append(f"{word} is no module")
    return wrong


@pytest.mark.parametrize("package", PACKAGES, ids=name_of)
def test_package_has_a_map_that_is_true(package: Path) -> None:
    """Every module and package inside is named once, in backticks; what is named exists."""
    path = package / "__init__.py"
    assert path.is_file(), "a package begins with its map"
    text = ast.get_docstring(tree_of(path)) or ""
    assert text, "a map begins with what the room is for"
    assert wrong_with(text, package) == []


def test_map_that_is_not_true_is_noticed() -> None:
    """A part left out, named twice, or not there any more; a file or a module that is not where it is said to be."""
    package = ROOT / "services/cli"
    whole = "`door`, `commands`, `processes`, `__main__`; `couponry up`, `Settings`"
    assert wrong_with(whole, package) == []
    assert wrong_with(whole.replace("`door`", "door"), package) == ["door is not named"]
    assert wrong_with(f"{whole}, `door`", package) == ["door is named 2 times"]
    assert wrong_with(f"{whole}, `window`", package) == ["window is not there"]
    assert wrong_with(f"{whole}, `window.sql`", package) == ["window.sql is no file"]
    assert wrong_with(f"{whole}, `services.window`", package) == ["services.window is no module"]


@pytest.mark.parametrize("package", READ_IN_ORDER, ids=name_of)
def test_map_of_the_rules_is_their_reading_order(package: Path) -> None:
    """A module of the rules needs only what is named before it."""
    order = mentions(ast.get_docstring(tree_of(package / "__init__.py")) or "")
    place = {dotted(package / part): number for number, part in enumerate(order)}
    for part in order:
        paths = (package / part).rglob("*.py") if part.endswith("/") else [package / f"{part}.py"]
        needed = {name for path in paths for name in imports_of(path)}
        later = [
            other
            for other, number in place.items()
            if number > place[dotted(package / part)]
            and any(name == other or name.startswith(f"{other}.") for name in needed)
        ]
        assert later == [], f"{part} needs what is read after it"


def test_map_of_the_house_has_the_layers() -> None:
    """From the ground up, each line a layer of import-linter's or a part of one; nothing else, nothing missing."""
    text = ast.get_docstring(tree_of(ROOT / "services/__init__.py")) or ""
    lines = [set(mentions(line)) for line in re.split(r"^\* ", text, flags=re.MULTILINE)[1:]]
    shown = [{word.removesuffix("/") for word in line} for line in lines]
    expected = [{room.removeprefix("services.") for room in layer} for layer in reversed(layers())]
    assert shown == expected


@pytest.mark.parametrize("room", ROOMS)
def test_map_says_what_its_room_may_import(room: str) -> None:
    """What it imports is on the list; what is on the list, its layer lets it import."""
    text = " ".join(
        (ast.get_docstring(tree_of(modules("services", "schemas")[room])) or "").split()
    )
    (said,) = re.findall(r"May import ([^.;]+)", text)
    level = next(number for number, layer in enumerate(layers()) if room in layer)
    allowed = {other.split(".")[-1] for layer in layers()[level + 1 :] for other in layer}
    names = set(re.findall(r"[a-z]+", re.sub(r"\([^)]*\)", "", said))) - {"and"}
    if said == "everything below it":
        names = allowed
    elif said.startswith("nothing of ours"):
        names = set()
    assert imported_by(room) <= names <= allowed


def imported_by(room: str) -> set[str]:
    """The rooms whose modules this one imports, wherever in its code."""
    found = set()
    for name, path in modules("services", "schemas").items():
        if name == room or name.startswith(f"{room}."):
            for node in ast.walk(tree_of(path)):
                names = [str(node.module)] if isinstance(node, ast.ImportFrom) else []
                names += (
                    [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                )
                found |= {
                    other for other in ROOMS for n in names if f"{n}.".startswith(f"{other}.")
                }
    return {other.split(".")[-1] for other in found - {room}}
