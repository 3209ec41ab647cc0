"""The tests' servers serve several of them at once: nobody may reach into a database that is another test's."""

from __future__ import annotations

import ast

from tests.house.repository import name_of, python_files

ENDING = "pg_terminate_backend"
NARROWING = ("datname", f"{ENDING}(pg_backend_pid())")
"""Of one database, or one's own."""


def test_sessions_are_ended_in_one_database_alone() -> None:
    """Who ends sessions by their name says in which database: those of other tests have the same names."""
    told = [
        (name_of(path), node.value)
        for path in python_files("tests")
        if not path.samefile(__file__)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ENDING in node.value
    ]
    assert told
    assert [name for name, text in told if not any(each in text for each in NARROWING)] == []
