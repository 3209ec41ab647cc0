"""What tests of every package find ready: servers, a database of their own, and the command line; see `tests/stand`."""

from __future__ import annotations

pytest_plugins = [
    "tests.stand.servers",
    "tests.stand.turns",
    "tests.stand.database",
    "tests.stand.commands",
]
