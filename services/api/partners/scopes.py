"""What a partner's token may be for."""

from __future__ import annotations

SCOPES = ("games", "cards", "staff", "redemption")
