"""Changes of redemption rules over HTTP. Raise InvalidDefinition, paths from the body.

None for a rule that is not there. A body's `id` is ignored: the path says which rule it is. The default rule has an id
too, and two fields of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from schemas.gameball_v4.changing import TooMany, laid_over, whole
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.redemption import MOST_RULES, RedemptionRule, SecondFreeShipping


def post_rule(now: Sections, sent: Mapping[str, Any]) -> Sections:
    """POST /rule: the new one stands last, without an id. Raises TooMany, SecondFreeShipping."""
    rule = whole(RedemptionRule, _without_id(sent), now)
    if len(now.redemption.rules) >= MOST_RULES:
        raise TooMany
    return _with_rules(now, [*now.redemption.rules, rule])


def put_rule(now: Sections, rule_id: int, sent: Mapping[str, Any]) -> Sections | None:
    """PUT /config/rule/{ruleId}: objects are merged to any depth, lists replaced. Raises SecondFreeShipping."""
    if is_default(now, rule_id):
        return put_default_rule(now, sent)
    found = now.redemption.rule(rule_id)
    if found is None:
        return None
    changed = laid_over(found, _without_id(sent), now)
    return _with_rules(now, [changed if each is found else each for each in now.redemption.rules])


def delete_rule(now: Sections, rule_id: int) -> Sections | None:
    """DELETE /config/rule/{ruleId}."""
    left = [each for each in now.redemption.rules if each.id != rule_id]
    return None if len(left) == len(now.redemption.rules) else _with_rules(now, left)


def put_default_rule(now: Sections, sent: Mapping[str, Any]) -> Sections:
    """PUT /config/rule."""
    rule = laid_over(now.redemption.default_rule, _without_id(sent), now)
    return replace(now, redemption=now.redemption.model_copy(update={"default_rule": rule}))


def put_redemption_settings(now: Sections, sent: Mapping[str, Any]) -> Sections:
    """PUT /config."""
    settings = laid_over(now.redemption.settings, sent, now)
    return replace(now, redemption=now.redemption.model_copy(update=dict(settings)))


def is_default(now: Sections, rule_id: int) -> bool:
    """Whether it is the default rule's id."""
    return now.redemption.default_rule.id == rule_id


def _with_rules(now: Sections, rules: Sequence[RedemptionRule]) -> Sections:
    if sum(rule.is_free_shipping for rule in rules) > 1:
        raise SecondFreeShipping
    return replace(now, redemption=now.redemption.model_copy(update={"rules": list(rules)}))


def _without_id(sent: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sent.items() if name not in {"id", "Id"}}
