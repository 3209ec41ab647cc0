"""A statement as people like to read it: who, what they have, where they stand, what happened last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from services.domain.coupons.coupon import OPEN_STATUSES
from services.domain.exact import text_of
from services.terminal.output import instant_text, print_facts, print_table, progress

CAMPAIGNS_SHOWN = COUPONS_SHOWN = LOTS_SHOWN = 20


def show(told: Mapping[str, Any]) -> None:
    """All of it on stdout; of what is long the first, and a line on stderr that says so."""
    print_facts(_facts(told))
    _table(
        "points that are left", ("left", "of", "by", "earned at", "end at"),
        [
            (lot["left"], lot["amount"], _source(lot["source"]), lot["earned_at"], lot["expires_at"] or "never")
            for lot in told["lots"]
        ], LOTS_SHOWN,
    )  # fmt: skip
    _table(
        "campaigns", ("id", "name", "achieved", "of", "steps", "refused"),
        [
            (
                each["id"], each["name"], each["achieved"], each["max_achievement"] or "any number",
                f"{each['steps']} of {each['count']}", each["refused"],
            )
            for each in sorted(told["campaigns"], key=lambda one: (one["refused"] is not None, one["id"]))
        ], CAMPAIGNS_SHOWN,
    )  # fmt: skip
    _table(
        "coupons", ("code", "status", "by", "worth", "issued at", "end at"),
        [
            (
                f"…{each['code_ends']}", each["status"], _source(each["source"]),
                each["reward"] or _worth(each["terms"]), each["issued_at"], each["expires_at"] or "never",
            )
            for each in sorted(told["coupons"], key=lambda one: one["status"] not in OPEN_STATUSES)
        ], COUPONS_SHOWN,
    )  # fmt: skip
    _table(
        "last entries", ("at", "what", "points", "balance", "by", "event"),
        [
            (
                each["at"], each["kind"], f"{each['points']:+,}" if each["points"] else "", each["balance"],
                _source(each["source"]) + (f": {each['reason']}" if each["reason"] else ""), each["event_id"],
            )
            for each in told["entries"]
        ], None,
    )  # fmt: skip


def _facts(told: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "customer", f"{told['customer_id']} of {told['partner']}"
    yield "registered", told["registered_at"] or "no"
    if told["tags"]:
        yield "tags", ", ".join(told["tags"])
    for name in ("birthday", "locale"):
        if told[name] is not None:
            yield name, told[name]
    if (card := told["card"]) is not None:
        yield "card", f"{card['id']}, since {instant_text(card['since'])}"
    if told["referred_by"] is not None:
        yield "brought by", told["referred_by"]
    balance = told["balance"]
    money = f", worth {balance['worth']} {balance['currency'] or ''}".rstrip()
    yield "balance", f"{balance['points']:,} {balance['points_name']}{money if balance['worth'] else ''}"  # fmt: skip
    if balance["owed"]:
        yield "owed", f"{balance['owed']:,}, which what comes in pays first"
    meters = told["meters"]
    yield (
        "in all",
        (
            f"{meters['points_earned']:,} points earned, score {meters['score']:,}, {text_of(meters['spent'])} spent"
            f" in {meters['orders']:,} orders, {meters['referrals']:,} friends brought"
        ),
    )
    if told["tier"]["current"] is not None:
        yield "tier", _tier(told["tier"])


def _tier(tier: Mapping[str, Any]) -> str:
    following = tier["next"]
    so_far = f"{tier['current']['name']}, {tier['method']} {text_of(tier['progress'])}"
    if following is None:
        return f"{so_far}: the highest"
    return f"{so_far}: {text_of(tier['missing'])} more to {following['name']}"


def _source(source: Mapping[str, Any]) -> str:
    return f"{source['kind']} {source['id']}"


def _worth(terms: Mapping[str, Any] | None) -> str:
    if terms is None:
        return ""
    value = f" {terms['value']}" if "value" in terms else ""
    return f"{terms['type']}{value}"


def _table(name: str, columns: tuple[str, ...], rows: list[Any], most: int | None) -> None:
    """Nothing of what there is none of."""
    if not rows:
        return
    print(f"\n{name}")
    print_table(columns, rows[:most])
    if most is not None and len(rows) > most:
        progress(f"{name}: {most} of {len(rows):,} are shown: --json")
