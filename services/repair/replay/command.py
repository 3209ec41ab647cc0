"""`couponry replay` on the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import click
from aiokafka import AIOKafkaConsumer

from services.adapters.postgres import operations
from services.adapters.postgres.operations import Operation
from services.adapters.records import side_reader
from services.repair.bulk import (
    as_request,
    begin_or_resume,
    rate_option,
    reason_option,
    resumable,
    resume_option,
)
from services.repair.replay.result import document, unchanged
from services.repair.replay.run import BESIDE_LIVE_PER_SECOND, Reading, dry_run_of, pipeline_of
from services.repair.replay.span import (
    Asked,
    Span,
    broker_topic,
    find_span,
    gap_line,
    live_line,
    topic_choice,
)
from services.runtime import crashpoints
from services.runtime.settings import Settings, require_code_secret, required
from services.terminal.addresses import (
    command_settings,
    postgres,
    reaching_kafka,
    reaching_postgres,
)
from services.terminal.arguments import instant, utf8_text
from services.terminal.output import (
    dry_run_option,
    json_option,
    print_facts,
    print_json,
    progress,
)

NAME = "replay"


@click.command()
@click.option(
    "--topic", type=utf8_text, metavar="T", help=f"{topic_choice()}, with or without prefix."
)
@click.option("--from", "from_at", type=instant, metavar="TIME", help="RFC 3339, included.")
@click.option("--to", "to_at", type=instant, metavar="TIME", help="RFC 3339, not included.")
@click.option(
    "--partition",
    "partitions",
    type=click.IntRange(0),
    multiple=True,
    metavar="N",
    help="Repeatable; without it, all.",
)
@click.option(
    "--from-offset", type=click.IntRange(0), metavar="N", help="Of one partition, included."
)
@click.option(
    "--to-offset", type=click.IntRange(0), metavar="N", help="Of one partition, not included."
)
@click.option(
    "--beyond-live",
    is_flag=True,
    default=None,
    help="Read on where the live group has not come yet, or is stopped by too many dead letters.",
)
@dry_run_option
@rate_option(
    f"Default: {BESIDE_LIVE_PER_SECOND:,} while anybody else decides events, no limit otherwise."
)
@resume_option
@reason_option
@json_option
def replay(
    dry_run: bool, rate: int | None, resume: bool, reason: str | None, as_json: bool, **asked: Any
) -> None:
    """Read a range of a topic again, into the same pipeline.

    What was decided stays decided, what is new is decided now, and the report says which is which. Times are the
    broker's: when a record arrived. With --dry-run all of it happens in memory and nothing is written.

    It reads as far as the live group has come and no further, or a customer's later events would be decided before
    the earlier ones; what is left to the live group is told.

    The live consumer group is not touched: a replay reads beside it, and commits no offsets. There is no need to
    rewind the group either; Kafka refuses that while it has members, because they would go on from where they are and
    commit over it. Replay the range instead.
    """
    _check(asked, dry_run=dry_run, resume=resume)
    settings = command_settings()
    crashpoints.arm(settings.crash_at)
    required(settings, "kafka_bootstrap_servers", "postgres_dsn", "redis_url")
    if not dry_run:
        require_code_secret(settings)
    report = asyncio.run(
        _replay(settings, asked, dry_run=dry_run, rate=rate, resume=resume, reason=reason)
    )
    if as_json:
        print_json(report)
    else:
        _tell(report)


def _check(asked: Mapping[str, Any], *, dry_run: bool, resume: bool) -> None:
    """What the options say together. Raises UsageError."""
    if asked["topic"] is None and not (resume and not any(asked.values())):
        raise click.UsageError(f"--topic is missing: {topic_choice()}")
    if resume and dry_run:
        raise click.UsageError("--dry-run keeps nothing that --resume could go on with")
    by_offset = asked["from_offset"] is not None or asked["to_offset"] is not None
    if by_offset and len(asked["partitions"]) != 1:
        raise click.UsageError("--from-offset and --to-offset need one --partition")
    for first, last in (("from_at", "to_at"), ("from_offset", "to_offset")):
        if None not in (asked[first], asked[last]) and asked[first] >= asked[last]:
            name = first.replace("_at", "").replace("_", "-")
            raise click.UsageError(f"--{name} must be before --{name.replace('from', 'to')}")


async def _replay(
    settings: Settings,
    asked: Mapping[str, Any],
    *,
    dry_run: bool,
    rate: int | None,
    resume: bool,
    reason: str | None,
) -> dict[str, Any]:
    """The report. Raises CommandError."""
    if asked["topic"] is not None:
        asked = {**asked, "topic": broker_topic(settings, asked["topic"])}
    read_only = "on" if dry_run else "off"
    with reaching_postgres(settings), reaching_kafka(settings):
        async with (
            postgres(
                settings, NAME, enable_seqscan="off", default_transaction_read_only=read_only
            ) as connection,
            side_reader(settings) as consumer,
        ):
            if dry_run:
                span = await _span(settings, consumer, asked)
                reading = Reading(settings, connection, span, rate=rate)
                await reading.run(consumer, dry_run_of(settings, connection))
                return _report(settings, span, reading.counts)
            operation = await begin_or_resume(
                connection,
                NAME,
                request=as_request(asked),
                resume=resume,
                reason=reason,
                at_first=lambda: _first_progress(settings, consumer, asked),
            )
            span = Span.from_progress(operation.progress)
            with resumable(NAME), reaching_postgres(settings), reaching_kafka(settings):
                async with pipeline_of(settings, operation) as decide:
                    reading = Reading(settings, connection, span, rate=rate, operation=operation)
                    await reading.run(consumer, decide)
                await operations.finish(connection, operation)
            return _report(settings, span, operation.counts, operation)


async def _span(settings: Settings, consumer: AIOKafkaConsumer, asked: Mapping[str, Any]) -> Span:
    span = await find_span(settings, consumer, Asked(**asked))
    for gap in span.missing:
        progress(gap_line(gap))
    for left in span.left_to_live:
        progress(live_line(left))
    return span


async def _first_progress(
    settings: Settings, consumer: AIOKafkaConsumer, asked: Mapping[str, Any]
) -> dict[str, Any]:
    return (await _span(settings, consumer, asked)).as_progress()


def _report(
    settings: Settings, span: Span, counts: Mapping[str, int], operation: Operation | None = None
) -> dict[str, Any]:
    report = document(counts, dry_run=operation is None) | {"topic": span.topic}
    if operation is not None:
        report |= {"operation": operation.id, "resumed": operation.resumed}
    return report | {
        "missing": span.missing,
        "left_to_live": span.left_to_live,
        "unchanged": unchanged(report, settings.consumer_group),
    }


def _tell(report: Mapping[str, Any]) -> None:
    """The report in words."""
    facts = [
        (name.replace("_", " "), report[name])
        for name in ("read", "already_decided", "newly_issued", "newly_declined", "newly_recorded")
    ]
    facts += [(f"  declined: {reason}", number) for reason, number in report["declined"].items()]
    names = ("dead", "passed_over", "waiting", "new_dead_letters", "new_coupons", "new_messages")
    facts += [(name.replace("_", " "), report[name]) for name in names if name in report]
    print_facts(facts)
    print(report["unchanged"])
