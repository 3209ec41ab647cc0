"""SQL stands in files of named queries, each with its intent, each of use to somebody."""

from __future__ import annotations

from pathlib import Path

from services.adapters.postgres.migrate import migrations
from tests.house.repository import ROOT, name_of, python_files, tracked_files

FILES = [
    path
    for path in tracked_files()
    if path.suffix == ".sql"
    and path.parent.name != "migrations"
    and path.is_relative_to(ROOT / "services")
]


def names(path: Path) -> list[str]:
    """The queries of a file, in order."""
    prefix = "-- name:"
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix(prefix).strip() for line in lines if line.startswith(prefix)]


def test_query_has_a_name_and_an_intent() -> None:
    """Below each `-- name:` stands a line that says what the query is for; names are unique in a file."""
    wrong = []
    for path in FILES:
        lines = [*path.read_text(encoding="utf-8").splitlines(), ""]
        for number, line in enumerate(lines):
            if line.startswith("-- name:") and not lines[number + 1].startswith("-- "):
                wrong.append(f"{name_of(path)}: {line}")
        if not names(path) or len(names(path)) != len(set(names(path))):
            wrong.append(f"{name_of(path)}: {names(path)}")
    assert FILES
    assert wrong == []


def test_query_is_used() -> None:
    """No query is left behind: its name stands in a module of the services."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in python_files("services", "tests"))
    unused = [
        f"{path.name}: {name}" for path in FILES for name in names(path) if f'"{name}"' not in code
    ]
    assert unused == []


def test_migrations_are_numbered_one_after_the_other() -> None:
    """Two that came to one number on their ways here would keep every process from starting."""
    assert [migration.version for migration in migrations()] == list(
        range(1, len(migrations()) + 1)
    )
