"""Is all well? Judges the figures: each problem is a line that says what is wrong and where to read what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from services.domain.clocks import MAX_CLOCK_DISTANCE

RUNBOOK = "docs/runbook.md"
OUTBOX_AGE_SECONDS = 30.0
"""A relay empties the outbox within a second or two, and a successor takes over within 30 s."""
OVERDUE_SECONDS = 60.0
"""A sweeper looks every second; a million coupons that end at once take it two minutes."""
LAG_SECONDS = 60.0
"""At the present rate; shorter backlogs come and go."""

_SWEPT = (
    ("overdue", "coupon", "coupons end without it, only the news is late"),
    ("overdue_lots", "lot", "points end without it, only the news is late"),
    ("overdue_birthdays", "birthday", "after a week a birthday is past"),
)
"""What a sweeper is needed for, by figure: what it is called, and what comes of it when none is there."""
_SLOWER = "it is slower than coupons come (`maxInFlight`, `maxPerSecond`), or `couponry webhooks` hangs: see its log"

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """`what` is wrong, and `do`: a command, or a section of the runbook."""

    what: str
    do: str


def problems(figures: Figures) -> list[Problem]:
    """Everything that is not as it should be, the gravest first; none: all is well."""
    return [
        *_servers(figures),
        *_clock(figures),
        *_schema(figures),
        *_stopped(figures),
        *_late(figures),
        *_untold(figures),
        *_left(figures),
    ]


def section(title: str) -> str:
    """Where in the runbook to read on."""
    return f"see “{title}” in {RUNBOOK}"


def _servers(figures: Figures) -> Iterator[Problem]:
    servers = figures["servers"]
    if servers["kafka"]:
        what = f"Kafka is away, lag and paused partitions are unknown: {servers['kafka']}"
        yield Problem(
            what=what, do="bring it back; whatever is decided meanwhile waits in the outbox"
        )
    if servers["redis"]:
        what = f"Redis is away, coupons are issued without its locks: {servers['redis']}"
        yield Problem(what=what, do=section("Redis is gone"))


def _clock(figures: Figures) -> Iterator[Problem]:
    ahead = figures["clock_ahead_seconds"]
    if abs(ahead) > MAX_CLOCK_DISTANCE.total_seconds():
        where = "ahead of" if ahead > 0 else "behind"
        what = f"the database's clock is {span(abs(ahead))} {where} this machine's: who sees it so decides nothing"
        yield Problem(what=what, do=section("The database's clock is wrong"))


def _schema(figures: Figures) -> Iterator[Problem]:
    if missing := figures["versions"]["schema_missing"]:
        yield Problem(what=f"the schema lacks {', '.join(missing)}", do="run `couponry migrate`")


def _stopped(figures: Figures) -> Iterator[Problem]:
    """What does not go on by itself."""
    for part in figures["paused"] or ():
        name = f"{part['topic']}:{part['partition']}"
        yield Problem(
            what=f"{name} is paused, {part['open']} of its last 1,000 records are dead letters",
            do=section("A bad deploy filled the dead letters"),
        )
    if figures["total_lag"] and not figures["sessions"]["issuer"]:
        what = f"{many(figures['total_lag'], 'record')} waiting and no issuer connected"
        yield Problem(what=what, do="start `couponry issuer`")
    for part in figures.get("lag") or ():
        if part.get("held"):
            name = f"{part['topic']}:{part['partition']}"
            what = f"an open transaction holds {name} at {part['end']}, {many(part['held'], 'offset')} behind it"
            yield Problem(
                what=what,
                do="have its producer commit or abort; Kafka ends it after its transaction.timeout.ms",
            )
    if figures["unpublishable"]:
        what = f"{many(figures['unpublishable'], 'event')} refused by Kafka for good: {figures['unpublishable_reason']}"
        yield Problem(what=what, do=section("The outbox grows"))


def _late(figures: Figures) -> Iterator[Problem]:
    """What takes longer than it should."""
    lag, rate = figures["total_lag"] or 0, figures["decisions_per_second"]
    grows = figures["lag_per_second"] is not None and figures["lag_per_second"] >= 0
    if (
        figures["sessions"]["issuer"]
        and not figures["paused"]
        and grows
        and lag > rate * LAG_SECONDS
    ):
        what = f"{many(lag, 'record')} waiting, more than a minute's work, and not getting fewer"
        yield Problem(what=what, do="start more issuers, as many as there are partitions at most")
    outbox = figures["outbox"]
    if outbox["oldest_age_seconds"] > OUTBOX_AGE_SECONDS:
        who = "" if figures["sessions"]["relay"] else ", and no relay connected"
        age = span(outbox["oldest_age_seconds"])
        what = (
            f"{many(outbox['depth'], 'event')} waiting to be published, the oldest for {age}{who}"
        )
        yield Problem(what=what, do=section("The outbox grows"))
    sweeper = figures["sweeper"]
    who = "" if figures["sessions"]["sweeper"] else ", and no sweeper connected"
    for name, noun, harm in _SWEPT:
        if sweeper[f"{name}_seconds"] > OVERDUE_SECONDS:
            age = span(sweeper[f"{name}_seconds"])
            what = f"{many(sweeper[name], noun)} due and not swept, the first for {age}{who}"
            yield Problem(what=what, do=f"start `couponry sweeper`; {harm}")


def _untold(figures: Figures) -> Iterator[Problem]:
    """Partners' own systems that do not hear of coupons, or do not want to."""
    for part in figures["deliveries"]:
        whose = f"partner {part['partner_id']}'s own system"
        if part["overdue_seconds"] > OVERDUE_SECONDS:
            who, do = ", and no webhooks process connected", "start `couponry webhooks`"
            if figures["sessions"]["webhooks"]:
                who, do = "", _SLOWER
            age = span(part["overdue_seconds"])
            what = f"{many(part['pending'], 'coupon')} to be told to {whose}, the first due for {age}{who}"
            yield Problem(what=what, do=f"{do}; the codes of ours are good meanwhile")
        if part["failing"]:
            what = (
                f"{whose} takes no coupons of {many(part['failing'], 'customer')}: {part['error']}"
            )
            yield Problem(what=what, do=section("A partner's own system takes no coupons"))
        if part["dead"]:
            what = f"{many(part['dead'], 'coupon')} given up within a day, not taken by {whose}: {part['dead_error']}"
            yield Problem(what=what, do=section("A partner's own system takes no coupons"))


def _left(figures: Figures) -> Iterator[Problem]:
    """What waits for an operator."""
    by_reason: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in figures.get("waiting", ()):
        by_reason.setdefault((one["why"], one["todo"]), []).append(one)
    for (why, todo), some in by_reason.items():
        place = f"{some[0]['topic']}:{some[0]['partition']}:{some[0]['offset']}"
        what = f"{many(len(some), 'record')} undecided, {place} of partner {some[0]['partner_id']} first: {why}"
        yield Problem(what=what, do=todo)
    if count := figures["dead_letters"]["open"]:
        age = span(figures["open_dead_letters"]["oldest_age_seconds"])
        what = f"{many(count, 'dead letter')} open, the oldest for {age}"
        yield Problem(what=what, do=section("A bad deploy filled the dead letters"))
    for operation in figures["operations"]:
        if not operation["is_running"]:
            command = operation["command"]
            full = (
                command
                if command in ("replay", "republish", "repair-clock")
                else f"dead-letters {command}"
            )
            what = f"{full} {operation['id']} of {operation['actor']} was interrupted"
            yield Problem(what=what, do=f"go on with `couponry {full} --resume`")


def many(count: int, noun: str) -> str:
    """So many of them."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def span(seconds: float) -> str:
    """A length of time as people say it: the largest unit that it has two of."""
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
