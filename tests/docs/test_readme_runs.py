"""What the README tells people to type, typed: partner, games, producer and subscriber against a running system."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.topics import COUPON_ISSUED, GAME_COMPLETED
from services.adapters.kafka import client_options
from services.runtime.settings import PREFIX, Settings
from tests.house.readme import block, console
from tests.house.repository import ROOT

DEADLINE_SECONDS = 60
COUPONRY = (sys.executable, "-m", "services.cli")


async def test_readme_programs_send_and_receive(topics: Settings, tmp_path: Path) -> None:
    """Two completions of one customer give one coupon; the subscriber prints it once, however often it is sent."""
    settings = topics
    for name in ("games.json", "producer.py", "subscriber.py"):
        (tmp_path / name).write_text(with_topics_of(settings, block(name)), encoding="utf-8")
    partner = 'partners add "Café Nord" --time-zone Europe/Vilnius'
    added = await output(
        settings, *COUPONRY, "partners", "add", "Café Nord", "--time-zone", "Europe/Vilnius"
    )
    assert added == console(f".venv/bin/couponry {partner}")
    loaded = await output(settings, *COUPONRY, "games", "load", str(tmp_path / "games.json"))
    assert words(loaded) == words(console(".venv/bin/couponry games load games.json"))

    kafka = str(settings.kafka_bootstrap_servers)
    produce = (sys.executable, str(tmp_path / "producer.py"), kafka, "1", "1")
    async with (
        running(settings, *COUPONRY, "issuer"),
        running(settings, *COUPONRY, "relay"),
        running(settings, sys.executable, str(tmp_path / "subscriber.py"), kafka) as subscriber,
    ):
        await output(settings, *produce, "ada")
        await output(settings, *produce, "ada")
        customer, code = await line_of(subscriber)
        await send_again(settings)
        await output(settings, *produce, "bob")
        assert (customer, (await line_of(subscriber))[0]) == ("ada", "bob")
    listed = json.loads(await output(settings, *COUPONRY, "coupons", "list", "--json"))
    assert sorted(coupon["customer_id"] for coupon in listed) == ["ada", "bob"]
    assert code in {coupon["code"] for coupon in listed}


def with_topics_of(settings: Settings, text: str) -> str:
    """The block as it stands, with this test's topics."""
    for topic in (GAME_COMPLETED, COUPON_ISSUED):
        text = text.replace(f'"{topic}"', f'"{settings.topic(topic)}"')
    return text


async def send_again(settings: Settings) -> None:
    """Put a copy of every published coupon into the topic, as a source without our guarantee would."""
    topic = settings.topic(COUPON_ISSUED)
    async with (
        AIOKafkaConsumer(
            topic, **client_options(settings), auto_offset_reset="earliest"
        ) as consumer,
        AIOKafkaProducer(**client_options(settings)) as producer,
    ):
        record = await asyncio.wait_for(consumer.getone(), DEADLINE_SECONDS)
        await producer.send_and_wait(
            topic,
            record.value,
            record.key,
            headers=list(record.headers),
            partition=record.partition,
        )


def words(text: str) -> list[list[str]]:
    """The words of each line: a table's spacing is not what is promised."""
    return [line.split() for line in text.splitlines() if line.strip()]


async def output(settings: Settings, *command: str) -> str:
    """Run a command to its end and return its stdout."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment(settings), stdout=PIPE, stderr=PIPE
    )
    stdout, stderr = await asyncio.wait_for(process.communicate(), DEADLINE_SECONDS)
    assert process.returncode == 0, stderr.decode()
    return stdout.decode()


@asynccontextmanager
async def running(settings: Settings, *command: str) -> AsyncIterator[Process]:
    """A process for as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment(settings), stdout=PIPE
    )
    try:
        yield process
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), DEADLINE_SECONDS)


async def line_of(process: Process) -> list[str]:
    """The words of the next line that the process prints."""
    assert process.stdout
    return (await asyncio.wait_for(process.stdout.readline(), DEADLINE_SECONDS)).decode().split()


def environment(settings: Settings) -> dict[str, str]:
    """The variables under which a process meets this test's servers."""
    fields = (
        "code_secret",
        "secrets_key",
        "kafka_bootstrap_servers",
        "postgres_dsn",
        "redis_url",
        "topic_prefix",
        "state_dir",
    )
    named = {f"{PREFIX}{name.upper()}": str(getattr(settings, name)) for name in fields}
    return {**os.environ, **named, "PYTHONUNBUFFERED": "1"}
