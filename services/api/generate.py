"""Write the API's OpenAPI description to `schemas/generated/openapi.json`, for teams that make clients from it.

`python -m services.api.generate` writes it, `--check` exits 1 when it is stale.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import schemas
from services.api.app import unserved_app

FILE: Final = Path(schemas.__file__).parent / "generated" / "openapi.json"


def rendered() -> str:
    """The description of this version of the API."""
    return json.dumps(unserved_app().openapi(), indent=2, ensure_ascii=False) + "\n"


def is_stale(file: Path = FILE) -> bool:
    """Whether `file` says anything else, or nothing."""
    return not file.exists() or file.read_text(encoding="utf-8") != rendered()


def main(arguments: list[str], file: Path = FILE) -> int:
    """Exit code 0, or 1 for a stale file under `--check`."""
    if not is_stale(file):
        return 0
    if arguments == ["--check"]:
        sys.stderr.write(f"{file.name} is stale: run python -m services.api.generate\n")
        return 1
    file.write_text(rendered(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
