"""`python -m services.cli`, for where there is no `couponry` on the path."""

from __future__ import annotations

from services.cli.door import run

run()
