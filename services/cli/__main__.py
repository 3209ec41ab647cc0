"""`python -m services.cli`, for where there is no `couponry` on the path."""

from __future__ import annotations

from services.cli.door import run

if __name__ == "__main__":  # processes that share a command's work import it under another name
    run()
