"""The status for people: the verdict first, then the figures that it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.adapters.postgres.dead_letters import STATES
from services.insight.status.verdict import Problem, many, span
from services.terminal.output import print_facts, print_table

Figures = Mapping[str, Any]
_TOLD = (("pending", "to be told"), ("held", "held"), ("dead", "given up within a day"))


def show(figures: Figures, found: Sequence[Problem]) -> None:
    """Print all of it on stdout."""
    print(heading(len(found)))
    for problem in found:
        print(f"  {problem.what}: {problem.do}")
    if figures["lag"]:
        print()
        paused = {(part["topic"], part["partition"]) for part in figures["paused"] or ()}
        columns = ("topic", "partition", "committed", "end", "lag")
        print_table(
            (*columns, "trend"),
            ((*(part[name] for name in columns), _state(part, paused)) for part in figures["lag"]),
        )
    print()
    print_facts(_facts(figures))


def heading(count: int) -> str:
    """The first line."""
    return many(count, "problem") if count else "all is well"


def _state(part: Mapping[str, Any], paused: set[tuple[str, int]]) -> str:
    if (part["topic"], part["partition"]) in paused:
        return "paused"
    return _trend(part["lag"], part["per_second"])


def _trend(lag: int, per_second: float | None) -> str:
    """Where a lag is going, and when it would be gone."""
    if not lag or per_second is None:
        return ""
    if per_second > 0:
        return f"↑ grows by {per_second:,.0f}/s"
    if per_second < 0:
        return f"↓ shrinks by {-per_second:,.0f}/s, gone in {span(lag / -per_second)}"
    return "→ stays"


def _facts(figures: Figures) -> Iterator[tuple[str, Any]]:
    if (lag := figures["total_lag"]) is not None:
        yield "lag", f"{lag:,} {_trend(lag, figures['lag_per_second'])}".rstrip()
    yield "decisions per second", figures["decisions_per_second"]
    yield "outbox depth", figures["outbox"]["depth"]
    yield "outbox age in seconds", round(figures["outbox"]["oldest_age_seconds"], 1)
    yield "unpublishable", figures["unpublishable"]
    if waiting := figures.get("waiting"):
        yield "records that wait", len(waiting)
    if figures.get("ids_reused"):
        yield "ids used again", figures["ids_reused"]
    for state in STATES:
        yield f"dead letters {state}", figures["dead_letters"][state]
    if figures.get("emptied_dead_letters"):
        yield "dead letters emptied", figures["emptied_dead_letters"]
    for stage, count in figures["open_dead_letters"]["by_stage"].items():
        yield f"  open at stage {stage}", count
    if figures["open_dead_letters"]["oldest_at"] is not None:
        yield "oldest open dead letter", figures["open_dead_letters"]["oldest_at"]
    yield from _sweeper(figures["sweeper"])
    for part in figures["deliveries"]:
        said = [f"{part[name]:,} {word}" for name, word in _TOLD if part[name]]
        yield f"deliveries of partner {part['partner_id']}", ", ".join(said)
    for operation in figures["operations"]:
        state = "runs" if operation["is_running"] else "was interrupted"
        yield f"{operation['command']} {operation['id']}", f"{state}, by {operation['actor']}"
    sessions = figures["sessions"]
    yield "sessions", ", ".join(f"{name} {count}" for name, count in sessions.items())
    versions = figures["versions"]
    names = (("couponry", "couponry"), ("schema", "schema"), ("Postgres", "postgres"))
    told = [f"{name} {versions[key]}" for name, key in names]
    yield "versions", ", ".join([*told, *([versions["redis"]] if versions["redis"] else [])])


def _sweeper(sweeper: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    seen = sweeper["seen_seconds_ago"]
    yield "sweeper last seen", "never" if seen is None else f"{span(seen)} ago"
    for name, what in (
        ("overdue", "coupons"),
        ("overdue_lots", "lots"),
        ("overdue_birthdays", "birthdays"),
    ):
        if sweeper[name]:
            yield f"overdue {what}", f"{sweeper[name]:,}, since {span(sweeper[f'{name}_seconds'])}"
