"""Whether an event counts towards a campaign, and whether this customer may achieve it."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from tests.simulation.model.exactly import as_number, number
from tests.simulation.model.rules import Document, is_within

NUMERIC = {
    "equals": operator.eq, "not_equals": operator.ne, "greater_than": operator.gt, "less_than": operator.lt,
    "greater_than_or_equals": operator.ge, "less_than_or_equals": operator.le,
}  # fmt: skip
EVENT_OF = {
    "SignUp": "sign_up", "Birthday": "birthday", "Spin The Wheel": "game_completed", "HighScore": "game_completed",
    "Reward Campaign": "place_order",
}  # fmt: skip


def holds(condition: Mapping[str, str], metadata: Mapping[str, Any]) -> bool:
    """One condition: a missing member never holds, of a list any item may."""
    found = metadata.get(condition["name"])
    items = found if isinstance(found, list) else [found]
    return any(item is not None and _compares(condition, item) for item in items)


def _compares(condition: Mapping[str, str], item: Any) -> bool:
    word, wanted = condition["operator"], condition["value"]
    left, right = as_number(item), as_number(wanted)
    if left is not None and right is not None:
        return bool(NUMERIC[word](left, right))
    text = str(item).lower() if isinstance(item, bool) else str(item).casefold()
    return {"equals": text == wanted.casefold(), "not_equals": text != wanted.casefold()}.get(word, False)  # fmt: skip


def event_of(campaign: Document) -> str:
    """The name of the events that count."""
    return EVENT_OF.get(campaign["type"]) or str(campaign["trigger"]["eventName"])


def names_line(campaign: Document, line: Document) -> bool:
    """Whether a line of an order is one of those that the campaign applies to."""
    lines = campaign["applicableTo"]
    collections, skus = (
        {str(each) for each in lines["collections"]},
        {str(each) for each in lines["productSkus"]},
    )
    if not collections and not skus:
        return True
    return bool(skus & names_of(line) or collections & collections_of(line))


def names_of(line: Document) -> set[str]:
    """By which a shop may call what a line sells."""
    return {str(line[name]) for name in ("product_id", "sku") if line.get(name) is not None}


def collections_of(line: Document) -> set[str]:
    return {str(each) for each in line.get("collection_ids") or ()}


def counts(campaign: Document, metadata: Mapping[str, Any], lines: Iterable[Document]) -> bool:
    """Whether the event meets what type and trigger ask for."""
    trigger, type_ = campaign["trigger"], campaign["type"]
    if type_ == "Spin The Wheel" and (metadata.get("game_type"), metadata.get("result")) != (
        "wheel",
        "won",
    ):
        return False
    if trigger["gameId"] is not None and metadata.get("game_id") != trigger["gameId"]:
        return False
    if trigger["minScore"] is not None:
        score = as_number(metadata.get("score"))
        if score is None or score < number(trigger["minScore"]):
            return False
    lines = list(lines)
    if event_of(campaign) == "place_order":
        is_for_all = (
            not campaign["applicableTo"]["collections"]
            and not campaign["applicableTo"]["productSkus"]
        )
        if not is_for_all and not any(names_line(campaign, line) for line in lines):
            return False
    return all(holds(condition, metadata) for condition in trigger["eventMetaData"])


def refusal(
    campaign: Document, at: datetime, tier_order: int, tags: Iterable[str], achieved: int
) -> str | None:
    """The first reason why this customer cannot achieve it now."""
    if not campaign["isActive"]:
        return "campaign_inactive"
    when = campaign["activation"]
    if (why := is_within(at, when["startDate"], when["endDate"])) is not None:
        return f"campaign_{why}"
    if tier_order < campaign["availability"]["minTier"]:
        return "tier_not_eligible"
    wanted = set(campaign["availability"]["tags"])
    if wanted and not wanted & set(tags):
        return "tag_not_eligible"
    most = campaign["maxAchievement"]
    return "max_achievement_reached" if most != -1 and achieved >= most else None
