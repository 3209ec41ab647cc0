"""How the house hangs together: no circle of imports, no private part of somebody else, no room that swallows the rest."""

from __future__ import annotations

import ast
from collections import Counter
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.house.packages import imports_of, modules, tree_of
from tests.house.repository import name_of, tracked_files

LARGEST_SHARE = 0.2

PINS = {
    ("services/fetching/header_names.py", "_DefaultRecordBatchPy"): "tests/fetching/test_header_names.py",
    ("services/fetching/header_names.py", "_buffer"): "tests/fetching/test_header_names.py",
    ("services/fetching/header_names.py", "_pos"): "tests/fetching/test_header_names.py",
    ("services/fetching/header_names.py", "_num_records"): "tests/fetching/test_header_names.py",
    ("services/adapters/records.py", "_client"): "tests/insight/test_verify.py",
    ("services/relay/publisher.py", "_sender"): "tests/relay/test_outages.py",
    ("services/relay/publisher.py", "_closed"): "tests/relay/test_outages.py",
    ("services/local/valkey.py", "_binary"): "tests/local/test_servers.py",
}  # fmt: skip
"""Of third parties, where there is no public way, with the tests that would notice another version. None is ours."""

PUBLIC_ALL_THE_SAME = {"_fields", "_asdict", "_exit"}
"""Documented parts of the standard library: of named tuples, which keep plain names for fields, and of `os`."""


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A circle in who imports whom; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def private_names(text: str) -> set[str]:
    """Names with a leading underscore that this module takes from elsewhere: by import, or off anything but itself."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            found |= {*str(node.module).split("."), *(alias.name for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {part for alias in node.names for part in alias.name.split(".")}
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) not in {"self", "cls"}:
            found.add(node.attr)
    return {
        name
        for name in found
        if name.startswith("_") and not name.startswith("__") and name not in PUBLIC_ALL_THE_SAME
    }


def test_imports_run_in_no_circle() -> None:
    """Of services and schemas every module can be read, and understood, after those it imports."""
    graph = {
        name: set(imports_of(path)) - {name}
        for name, path in modules("services", "schemas").items()
    }
    assert len(graph) > 100
    assert circle(graph) == []


def test_circle_of_imports_is_found() -> None:
    """Through any number of modules; a shared one is no circle."""
    assert circle({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}) == []
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}


def test_private_name_stays_where_it_is() -> None:
    """No module takes a `_name` from another; the parts of others' libraries that it cannot do without are listed."""
    found = {
        (name_of(path), name)
        for path in modules("services", "schemas").values()
        for name in private_names(ast.unparse(tree_of(path)))
    }
    assert found == set(PINS)


@pytest.mark.parametrize("proof", sorted(set(PINS.values())))
def test_private_part_of_others_is_pinned(proof: str) -> None:
    """The test that is named beside it exists."""
    assert proof in {name_of(path) for path in tracked_files()}


def test_private_name_from_elsewhere_is_found() -> None:
    """Imported, as a module, as an attribute of one, or off another object; one's own are one's own."""
    assert private_names("from a import _b\nimport c._d\ne._f()\ng().h._i = 1") == {
        "_b", "_d", "_f", "_i",
    }  # fmt: skip
    assert private_names("from a import b\nself._c()\ncls._d\nx._fields\ny.__class__") == set()


def test_no_package_is_most_of_the_house() -> None:
    """The largest has at most a fifth of all lines, SQL among them."""
    lines: Counter[str] = Counter()
    for path in tracked_files():
        first, *others = name_of(path).split("/")
        if first in {"services", "schemas"} and path.suffix in {".py", ".sql"}:
            room = f"{first}/{others[0]}" if first == "services" and len(others) > 1 else first
            lines[room] += len(path.read_text(encoding="utf-8").splitlines())
    ((largest, its_lines),) = lines.most_common(1)
    share = its_lines / lines.total()
    assert share <= LARGEST_SHARE, (
        f"{largest} has {its_lines} of {lines.total()} lines: {share:.1%}"
    )
