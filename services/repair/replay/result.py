"""What came of a replay: counted as it goes, worded at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from services.decisions.telling import program_rows
from services.domain.arrival import Verdict
from services.domain.coupons.effects import (
    ChangeCoupon,
    DeclineIssuance,
    GrantCoupon,
    IssueCoupon,
)
from services.domain.decision import Outcome

DECLINED = "declined."


def counts_of(verdicts: Iterable[Verdict], new_letters: int = 0) -> Counter[str]:
    """Decisions by outcome, declined ones also by reason, with the coupons and messages they make."""
    counts: Counter[str] = Counter(new_dead_letters=new_letters, new_messages=new_letters)
    for verdict in verdicts:
        decision = verdict.decision
        counts[decision.outcome.value] += 1
        if decision.outcome is Outcome.DECLINED:
            counts[f"{DECLINED}{decision.reason}"] += 1
        for effect in decision.effects:
            counts["new_coupons"] += isinstance(effect, (IssueCoupon, GrantCoupon))
            counts["new_messages"] += isinstance(
                effect, (IssueCoupon, GrantCoupon, DeclineIssuance, ChangeCoupon)
            )
        counts["new_messages"] += sum(1 for _ in program_rows(verdict))
    return counts


def declined_by_reason(counts: Mapping[str, int]) -> dict[str, int]:
    """The declined ones of `counts_of`, by reason."""
    return {
        name.removeprefix(DECLINED): number
        for name, number in sorted(counts.items())
        if name.startswith(DECLINED)
    }


def document(counts: Mapping[str, int], *, dry_run: bool) -> dict[str, Any]:
    """The report as JSON has it. Every record read is in one of the numbers after `read`; `waiting` where any does."""
    names = ("read", "dead", "passed_over", "waiting")
    read, dead, passed, waiting = (counts.get(name, 0) for name in names)
    new = {outcome: counts.get(outcome, 0) for outcome in Outcome}
    return {
        "read": read,
        "already_decided": read - dead - passed - waiting - sum(new.values()),
        "newly_issued": new[Outcome.ISSUED],
        "newly_declined": new[Outcome.DECLINED],
        "newly_recorded": new[Outcome.RECORDED],
        "dead": dead,
        "passed_over": passed,
        **({"waiting": waiting} if waiting else {}),
        "dry_run": dry_run,
        "declined": declined_by_reason(counts),
        **{
            name: counts.get(name, 0)
            for name in ("new_coupons", "new_messages", "new_dead_letters")
        },
    }


def unchanged(report: Mapping[str, Any], group: str) -> str:
    """The statement of what did not change."""
    old_letters = report["dead"] - report["new_dead_letters"]
    held = (
        f"{report['already_decided']:,} decisions stand as they were, and {old_letters:,} dead letters;"
        f" nothing was issued or published again for them. The group {group} was not touched."
    )
    if report["dry_run"]:
        return f"Nothing was written. {held}"
    if report["new_coupons"] or report["new_messages"]:
        return held
    return f"0 new coupons, 0 new messages. {held}"
