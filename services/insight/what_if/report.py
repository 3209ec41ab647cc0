"""What came of it, as one JSON document and as one CSV table."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from services.domain.coupons.effects import DeclineReason
from services.domain.decision import Outcome
from services.insight.what_if.comparing import Change, Comparison
from services.insight.what_if.world import ISSUED
from services.terminal.output import CommandError

MOST_CUSTOMERS = 10_000
"""In the JSON document, with the largest differences; a CSV file has them all."""
CSV_COLUMNS = ("section", "name", "before", "after", "difference")

_LABELS = (ISSUED, *(reason.value for reason in DeclineReason))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for, and of whom. `changes` are empty when history is only to be reproduced."""

    game_id: int
    partner_id: int
    time_zone: str
    changes: Mapping[str, Any]
    since: datetime | None
    to: datetime | None


Customers = Sequence[tuple[str, Change]]


def outcomes(comparison: Comparison) -> list[tuple[str, int, int]]:
    """(`issued` or a reason, before, after) of everything that occurs, in the order in which reasons are named."""
    before, after = Counter[str | None](), Counter[str | None]()
    for (was, would), count in comparison.pairs().items():
        before[was] += count
        after[would] += count
    return [
        (label, before[label], after[label])
        for label in _LABELS
        if before[label] or after[label] or label == ISSUED
    ]


def days(comparison: Comparison) -> list[tuple[date, int, int, int, int]]:
    """(day, issued before, issued after, declined before, declined after), oldest first."""
    counts: dict[date, list[int]] = {}
    for (day, was, would), count in comparison.by_day.items():
        row = counts.setdefault(day, [0, 0, 0, 0])
        for column, label in enumerate((was, would)):
            if label is not None:
                row[column if label == ISSUED else column + 2] += count
    return [(day, *row) for day, row in sorted(counts.items())]  # type: ignore[misc] # four of them


def document(
    asked: Asked,
    comparison: Comparison,
    changes: Sequence[Change],
    customers: Customers,
    mismatches: Sequence[Mapping[str, Any]],
    unread_orders: int,
) -> dict[str, Any]:
    """All of it. `changes` are everybody's, `customers` the first of them by name."""
    by_label = outcomes(comparison)
    issued = next(row for row in by_label if row[0] == ISSUED)
    declined = [row for row in by_label if row[0] != ISSUED]
    return {
        "game_id": asked.game_id,
        "partner_id": asked.partner_id,
        "changes": asked.changes,
        "from": asked.since,
        "to": asked.to,
        "time_zone": asked.time_zone,
        "read": comparison.read,
        "orders": comparison.orders,
        "orders_without_record": unread_orders,
        "reproduced": not comparison.mismatched if not asked.changes else None,
        "mismatched": comparison.mismatched,
        "mismatches": mismatches,
        "outcomes": {
            Outcome.ISSUED.value: _pair(issued[1], issued[2]),
            Outcome.DECLINED.value: _pair(
                sum(row[1] for row in declined), sum(row[2] for row in declined)
            ),
        },
        "reasons": {label: _pair(was, would) for label, was, would in declined},
        "transitions": _transitions(comparison),
        "stamps": _pair(comparison.stamps["before"], comparison.stamps["after"]),
        "days": [
            {"day": day.isoformat(), "issued": _pair(*row[:2]), "declined": _pair(*row[2:])}
            for day, *row in days(comparison)
        ],
        "customers": {
            "gain": sum(change.difference > 0 for change in changes),
            "lose": sum(change.difference < 0 for change in changes),
            "as_many_at_other_events": sum(change.difference == 0 for change in changes),
            "listed": [
                {"customer_id": name, **change._asdict(), "difference": change.difference}
                for name, change in customers
            ],
        },
    }


def _pair(before: int, after: int) -> dict[str, int]:
    return {"before": before, "after": after, "difference": after - before}


def _transitions(comparison: Comparison) -> list[dict[str, Any]]:
    """What became what, without what stays; the most frequent first. null: an order's card that is not full."""
    moved = [(pair, count) for pair, count in comparison.pairs().items() if pair[0] != pair[1]]
    return [
        {"before": was, "after": would, "count": count}
        for (was, would), count in sorted(moved, key=lambda one: (-one[1], str(one[0])))
    ]


def csv_totals(comparison: Comparison) -> Iterator[Any]:
    """Outcomes and days (coupons issued), a row each."""
    for label, before, after in outcomes(comparison):
        yield ("outcome", label, before, after, after - before)
    for day, before, after, *_ in days(comparison):
        yield ("day", day.isoformat(), before, after, after - before)


def csv_customers(customers: Customers) -> Iterator[Any]:
    """Coupons that only the record, and that only the changed rules give each customer."""
    for name, change in customers:
        yield ("customer", name, change.lost, change.gained, change.difference)


def writable(path: Path) -> Path:
    """The path of a file that can be made there, so that nobody waits for nothing. Raises CommandError."""
    folder = path.parent
    if not folder.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise CommandError(f"--csv {path}: cannot be written")
    return path


class CsvFile:
    """The table, written as rows come. Raises CommandError where there is no place for it."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise CommandError(f"--csv {path}: {error.strerror}") from None
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(CSV_COLUMNS)

    def write(self, rows: Iterable[Any]) -> None:
        """Add these."""
        self._writer.writerows(rows)

    def close(self) -> None:
        """Everything is on its way to the disk."""
        self._file.close()
