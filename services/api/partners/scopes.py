"""What a partner's token may be for."""

from __future__ import annotations

from typing import Final, Literal, get_args

Scope = Literal["games", "cards", "staff", "redemption"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
