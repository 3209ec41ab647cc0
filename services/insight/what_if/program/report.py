"""What came of it: as one JSON document, and as people like to read it."""

from __future__ import annotations

from typing import Any

from services.insight.what_if.program.differences import Customer, Pair
from services.insight.what_if.program.run import Tried
from services.terminal.output import print_facts, print_table

CUSTOMERS_SHOWN = 20


def document(tried: Tried) -> dict[str, Any]:
    """All of it; `customers` are those who differ, the largest differences first."""
    found = tried.found.differences
    names = sorted({name for pair in found.tiers for name in pair if name is not None})
    return {
        "partner_id": tried.partner_id,
        "changed": list(tried.changed),
        "read": tried.found.read,
        "events_without_record": tried.found.without_record,
        "reproduced": not found.differing if not tried.changed else None,
        "customers": [_customer(one) for one in found.customers],
        "totals": {
            "customers": found.compared,
            "differing": found.differing,
            "points": found.points._asdict(),
            "coupons": found.coupons._asdict(),
            "tiers": {
                name: {
                    "before": sum(n for (was, _), n in found.tiers.items() if was == name),
                    "after": sum(n for (_, would), n in found.tiers.items() if would == name),
                }
                for name in names
            },
        },
    }


def _customer(one: Customer) -> dict[str, Any]:
    return {
        "customer_id": one.customer_id,
        "points": one.points._asdict(),
        "tier": {"before": one.tier[0], "after": one.tier[1]},
        "coupons": one.coupons._asdict(),
    }


def show(tried: Tried) -> None:
    """Totals, and the customers with the largest differences."""
    found, told = tried.found.differences, document(tried)["totals"]
    print_facts(
        [
            ("decided again", f"{tried.found.read:,} events"),
            ("changed", ", ".join(tried.changed) or "nothing"),
            ("customers", f"{found.differing:,} of {found.compared:,} differ"),
        ]
        + (
            [
                (
                    "without a record",
                    f"{tried.found.without_record:,} events, which count as they did",
                )
            ]
            if tried.found.without_record
            else []
        )
    )
    rows = [("points", *_row(found.points)), ("coupons", *_row(found.coupons))]
    rows += [
        (f"in tier {name}", *_row(Pair(each["before"], each["after"])))
        for name, each in told["tiers"].items()
    ]
    print()
    print_table(("in all", "before", "after", "difference"), rows)
    if found.customers:
        print()
        print_table(
            ("customer", "points", "", "difference", "tier", "", "coupons", ""),
            [
                (
                    one.customer_id, *_row(one.points), one.tier[0], _other(one.tier), f"{one.coupons.before:,}",
                    f"{one.coupons.after:,}",
                )
                for one in found.customers[:CUSTOMERS_SHOWN]
            ],
        )  # fmt: skip
        if found.differing > CUSTOMERS_SHOWN:
            print(f"… and {found.differing - CUSTOMERS_SHOWN:,} more: --json")
    print("\nNothing was written.")


def _row(pair: Pair) -> tuple[str, str, str]:
    return f"{pair.before:,}", f"{pair.after:,}", f"{pair.after - pair.before:+,}"


def _other(tier: tuple[str | None, str | None]) -> str | None:
    return tier[1] if tier[1] != tier[0] else "the same"
