"""What is to be different: `--set field=value`, read and checked as the game's own definition would be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from schemas.partners.games import Game, InvalidGame, read_game
from services.terminal.output import CommandError

RULE_FIELDS = (
    "game_type", "is_active", "allow_multiple_active_coupons", "coupon_validity_days", "start_date", "end_date",
    "product_ids", "stamps_required", "customer_limit", "customer_limit_per_day", "customer_limit_per_week",
    "customer_limit_per_month", "total_limit",
)  # fmt: skip
"""What `decide` looks at. The rest of a game is shown to people."""


def read_changes(settings: Sequence[str]) -> dict[str, Any]:
    """Values by field, not checked yet. Raises UsageError, which names the fields there are."""
    changes: dict[str, Any] = {}
    for text in settings:
        field, sign, value = text.partition("=")
        if not sign:
            raise click.UsageError(f"--set {text}: write field=value")
        if field in changes:
            raise click.UsageError(f"--set {field}: comes twice")
        if field not in RULE_FIELDS:
            why = "makes no difference to a decision" if field in Game.model_fields else "no rule"
            raise click.UsageError(f"--set {field}: {why}; fields: {', '.join(RULE_FIELDS)}")
        changes[field] = _value(value)
    return changes


def _value(text: str) -> Any:
    """A JSON literal, or else the text itself."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def checked(changes: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """The changes as values of the rules. Raises CommandError, one line."""
    try:
        changed = read_game(changes, stored)
    except InvalidGame as error:
        wrong = "; ".join(f"{path}: {' '.join(texts)}" for path, texts in error.errors.items())
        raise CommandError(f"--set {wrong}") from None
    return {field: getattr(changed, field) for field in changes}
