"""Redemption rules as v3 shows them: levels for tiers, collections with their names, groups in its own words."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.reading import sendable
from schemas.gameball_v4.redemption import RedemptionRule
from schemas.gameball_v4.shown import shown_rule
from services.api.edge.problems import not_found
from services.api.gameball_v4.shown_rules import shown_group_of

Document = dict[str, Any]


def rule_documents(now: Sections, at: datetime, exhausted: Collection[str]) -> list[Document]:
    """GET /rule: all but the default rule, in the order in which they were made. `exhausted` as in v4."""
    return [_rule(rule, now, at, exhausted) for rule in now.redemption.rules]


def rule_document(
    now: Sections, rule_id: int, at: datetime, exhausted: Collection[str]
) -> Document:
    """GET /rule/{ruleId}; of the default rule's id the default rule. Raises Problem 404."""
    rule = now.redemption.rule(rule_id)
    if rule is not None:
        return _rule(rule, now, at, exhausted)
    default = default_document(now)
    if default["id"] != rule_id:
        raise not_found("ruleId")
    return default


def default_document(now: Sections) -> Document:
    """GET /config/rule."""
    found: Document = sendable(now.redemption.default_rule)
    return found


def configuration_document(now: Sections) -> Document:
    """GET /config."""
    found: Document = sendable(now.redemption.settings)
    return found


def _rule(
    rule: RedemptionRule, now: Sections, at: datetime, exhausted: Collection[str]
) -> Document:
    found = shown_rule(rule)
    group = found["coupon"]["group"]
    if group is None:
        return found
    group = _group(group["handle"], now, at, exhausted)
    return {**found, "coupon": {**found["coupon"], "group": group}}


def _group(handle: str | None, now: Sections, at: datetime, exhausted: Collection[str]) -> Document:
    """As v4 has it, but for what it calls how many a customer may have."""
    group = shown_group_of(handle, now, at, exhausted)
    return {
        "maxPerPlayer" if name == "maxPerCustomer" else name: value for name, value in group.items()
    }
