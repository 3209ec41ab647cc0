"""A partner's program in a file: read, and refused in one line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from schemas.definitions import InvalidDefinition
from schemas.gameball_v4.exact_json import read
from schemas.gameball_v4.files import partner_of
from services.terminal.output import CommandError

ERRORS_NAMED: Final = 5
"""Of a file: a refusal is one line."""


def read_file(file: Path) -> dict[str, Any]:
    """A file that is the program of somebody. Raises CommandError, one line."""
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        document = read(raw)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{file}: is not JSON: {error}") from None
    try:
        partner_of(document)
    except InvalidDefinition as invalid:
        raise refused(str(file), invalid) from None
    found: dict[str, Any] = document
    return found


def refused(file: str, invalid: InvalidDefinition) -> CommandError:
    """The places that are wrong, in one line."""
    named = [
        ": ".join(filter(None, (path, " ".join(texts)))) for path, texts in invalid.errors.items()
    ]
    more = [f"and {len(named) - ERRORS_NAMED} more"] if len(named) > ERRORS_NAMED else []
    return CommandError(f"{file}: {'; '.join(named[:ERRORS_NAMED] + more)}")
