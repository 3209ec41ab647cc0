"""What tests of every package find ready: servers, a database of their own, and the command line; see `tests/stand`."""

from __future__ import annotations

from hypothesis import settings

# What a property asks is whether it holds, not how quickly: on a busy machine any example may take its time.
settings.register_profile("couponry", deadline=None)
settings.load_profile("couponry")

pytest_plugins = [
    "tests.stand.servers",
    "tests.stand.turns",
    "tests.stand.database",
    "tests.stand.commands",
]
