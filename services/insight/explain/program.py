"""What a partner's program made of an event, as people like to read it; `decisions.explained` has it in JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import asyncpg
import orjson

from services.decisions.explained import MEASURES, stopped_by
from services.domain.coupons.codes import ending
from services.domain.exact import MOST, text_of

_UNITS: Final = {"points": "points", "points_earned": "earned in all", "owed": "owed"}


def lines(
    decision: asyncpg.Record, entries: Sequence[asyncpg.Record], names: Mapping[int, str]
) -> Iterator[tuple[str, str]]:
    """(word, sentence) of everything that the program did, in the order in which it comes about.

    `names` are those of campaigns, by id.
    """
    kept = orjson.loads(decision["program"] or "{}")
    for each in kept.get("discounts", ()):
        off = f" off the {each['class']}" if each["class"] is not None else ""
        yield "discount", f"code …{ending(each['code'])} took {each['amount']}{off}"
    for row in entries:
        yield row["kind"], _entry(row)
    if stopped := stopped_by(entries):
        said = ", ".join(_UNITS.get(measure, measure) for measure in stopped)
        yield "stopped", f"{said} at {MOST:,}: earning ends there"
    yield from _campaigns(kept.get("campaigns", ()), names)
    if (referral := kept.get("referral")) is not None:
        why = f" ({referral['reason']})" if referral["reason"] else ""
        yield "referral", f"{referral['outcome']}{why}: brought by {referral['referrer_id']}"
    tier = kept.get("tier", {"before": None, "after": None})
    if _id(tier["before"]) != _id(tier["after"]):
        yield "tier", f"from {_tier(tier['before'])} to {_tier(tier['after'])}"


def _entry(row: asyncpg.Record) -> str:
    """One row of the ledger: what moved, by what, what it came to."""
    moved = [
        f"{row[measure]:+,} {_UNITS.get(measure, measure)}"
        if not isinstance(row[measure], Decimal)
        else f"{'+' if row[measure] > 0 else ''}{text_of(row[measure])} {measure}"
        for measure, _ in MEASURES
        if row[measure] and not (measure == "points_earned" and row[measure] == row["points"])
    ]
    parts = [f"{', '.join(moved)} ({row['source_kind']} {row['source_id']})"]
    if row["points"]:
        parts.append(f"balance {row['balance']:,}")
    if row["base_points"] is not None and row["factor"] not in (None, 1):
        parts.append(f"{text_of(row['base_points'])} times {text_of(row['factor'])}")
    if row["reason"]:
        parts.append(row["reason"])
    return "; ".join(parts)


def _campaigns(
    results: Sequence[Mapping[str, Any]], names: Mapping[int, str]
) -> Iterator[tuple[str, str]]:
    """What counted, each by its name; what did not, by why: most campaigns refuse most events."""
    refused: Counter[str] = Counter()
    for each in results:
        if each["reason"] is not None:
            refused[each["reason"]] += 1
            continue
        name = f" “{names[each['id']]}”" if each["id"] in names else ""
        yield "campaign", f"{each['id']}{name} {each['outcome']}"
    if refused:
        said = ", ".join(f"{reason} {count:,}" for reason, count in refused.items())
        yield "campaigns", f"not counted: {said}"


def told(decision: asyncpg.Record, entries: Sequence[asyncpg.Record]) -> Iterator[str]:
    """Types of what subscribers hear of it, without repeats."""
    kept = orjson.loads(decision["program"] or "{}")
    types = dict.fromkeys(f"points.{row['kind']}" for row in entries if row["points"])
    tier = kept.get("tier", {"before": None, "after": None})
    if _id(tier["before"]) != _id(tier["after"]):
        types["tier.changed"] = None
    if any(each["outcome"] == "achieved" for each in kept.get("campaigns", ())):
        types["campaign.achieved"] = None
    if kept.get("rewarded"):
        types["referral.rewarded"] = None
    is_of_points = decision["outcome"] == "declined" and decision["game_id"] is None
    if kept.get("declined") or is_of_points:
        types["reward.declined"] = None
    yield from types


def _id(tier: Mapping[str, Any] | None) -> int | None:
    return None if tier is None else tier["id"]


def _tier(tier: Mapping[str, Any] | None) -> str:
    return "none" if tier is None else str(tier["name"])
