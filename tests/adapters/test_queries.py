"""Every named query fits the schema as it is migrated: tables, columns, types."""

from __future__ import annotations

import re

import asyncpg

from services.adapters.postgres.queries import queries
from tests.house.packages import dotted
from tests.house.repository import ROOT, name_of, tracked_files

FILES = [
    path
    for path in tracked_files()
    if path.suffix == ".sql"
    and path.is_relative_to(ROOT / "services")
    and path.parent.name != "migrations"
]


WALK = queries("staff", "services.api.partners")["walk"].format(status="active", coupons="coupons")
GAPS = {
    "walk": {"status": "active", "coupons": "coupons"},
    "page_of_walks": {"walks": WALK},
    "count_walks": {"walks": WALK},
    "noting": {"decided": "('t'::text, 0::integer, 1::bigint, -1::bigint)"},
}
"""Queries with a place that their module fills, and one of the ways in which it does."""


FRAGMENTS = {"steps", "gathered", "shown_code"}
"""Queries that stand for `:<name>` in others of their file, and mean nothing by themselves."""


async def test_query_fits_the_schema(owner: asyncpg.Connection) -> None:
    """A column that is renamed, or that no migration adds, is told here, not by whoever runs the query first."""
    wrong = []
    for path in FILES:
        statements = queries(path.stem, dotted(path.parent))
        for name, text in statements.items():
            if name in FRAGMENTS:
                continue
            statement = text.format(**GAPS[name]) if name in GAPS else text
            for fragment in FRAGMENTS & statements.keys():
                statement = statement.replace(f":{fragment}", statements[fragment])
            try:
                if re.search(r"^CREATE TEMPORARY |^[^-]*;$", statement, re.MULTILINE):
                    await owner.execute(statement)  # tables of the session, which others then name
                else:
                    await owner.prepare(statement)
            except asyncpg.PostgresError as error:
                wrong.append(f"{name_of(path)}: {name}: {error}")
    assert FILES
    assert wrong == []


def test_whoever_changes_programs_moves_their_revision() -> None:
    """Processes go on using what they have read of a program while its revision is the same: queries and migrations."""
    changes = [
        (name_of(path), change)
        for path in tracked_files()
        if path.suffix == ".sql" and path.is_relative_to(ROOT / "services")
        for change in re.findall(
            r"\bUPDATE\s+(?:ONLY\s+)?programs\b.*?(?:;|RETURNING|$)",
            path.read_text(encoding="utf-8"),
            re.DOTALL,
        )
    ]
    assert len(changes) >= 2
    assert [each for each in changes if "revision = revision + 1" not in each[1]] == []
