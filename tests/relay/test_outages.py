"""Kafka or Postgres away, frozen or back: red, nothing lost, nothing twice; a stop does not wait for them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from services.adapters.kafka import ensure_topics
from services.local.servers import Servers, start_servers
from services.relay import leadership, publisher
from services.relay.app import STOP_SECONDS, serve
from services.runtime.health import Health
from services.runtime.settings import Settings, SettingsError
from tests.relay.stand import (
    assert_once_and_in_order,
    is_drained,
    published,
    queue,
    serving,
    write_two,
)
from tests.stand.database import connected
from tests.stand.waiting import eventually

KAFKA_SECONDS = 60.0
"""A broker that comes back is not seen at once."""


async def _is_ready(health: Health) -> bool:
    assert not any(health.liveness().values())
    return not any(health.readiness().values())


async def _is_red(health: Health) -> bool:
    return not await _is_ready(health)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter timeouts, in the same order: that they take effect is tested, not how long they are."""
    monkeypatch.setattr(publisher, "REQUEST_TIMEOUT_SECONDS", 1)
    monkeypatch.setattr(publisher, "PUBLISH_TIMEOUT_SECONDS", 2)
    monkeypatch.setattr(leadership, "HEARTBEAT_SECONDS", 0.5)
    monkeypatch.setattr(leadership, "HEARTBEAT_TIMEOUT_SECONDS", 1.0)


class Line:
    """A line to Postgres that can be cut, or held so that nothing moves on it."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Accept connections, on the same port as before."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Accept nothing and end what is there."""
        assert self._server
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def hold(self, held: bool) -> None:
        """Let nothing through, or everything again."""
        (self._flows.clear if held else self._flows.set)()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._target)
        self._writers += [writer, back]
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._flows.wait()
                writer.write(data)
            writer.close()


@pytest.fixture
async def line(topics: Settings) -> AsyncIterator[Line]:
    """An open line to this test's Postgres."""
    parts = urlsplit(topics.postgres_dsn or "")
    opened = Line(parts.hostname or "", parts.port or 5432)
    await opened.open()
    yield opened
    opened.hold(False)
    await opened.cut()


def _through(line: Line, settings: Settings) -> Settings:
    parts = urlsplit(settings.postgres_dsn or "")
    place = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{line.port}".removeprefix("@")
    return settings.model_copy(update={"postgres_dsn": urlunsplit(parts._replace(netloc=place))})


@pytest.mark.parametrize("outage", ["cut", "held"])
async def test_postgres_away_for_a_while(
    topics: Settings, line: Line, impatient: None, outage: str
) -> None:
    """Connections refused, or nothing moving on them: red, and afterwards everything goes out once."""
    async with connected(topics) as connection, serving(_through(line, topics)) as health:
        await eventually(lambda: _is_ready(health))
        writing = asyncio.ensure_future(write_two(topics, 2400))
        if outage == "cut":
            await line.cut()
        else:
            line.hold(True)
        await eventually(lambda: _is_red(health))
        names = await writing
        if outage == "cut":
            await line.open()
        else:
            line.hold(False)
        await eventually(lambda: is_drained(connection))
        await eventually(lambda: _is_ready(health))
    assert_once_and_in_order(await published(topics), names)


async def test_address_that_cannot_be_one_ends_the_relay(topics: Settings) -> None:
    """No waiting for what will never be: one line that names the setting."""
    wrong = topics.model_copy(update={"postgres_dsn": "nonsense"})
    with pytest.raises(SettingsError, match="COUPONRY_POSTGRES_DSN"):
        await serve(wrong, Health("relay"))


async def test_topics_that_nobody_created_end_the_relay(settings: Settings) -> None:
    """At its first start, when a wrong prefix is more likely than a lost topic."""
    with pytest.raises(SettingsError, match="couponry topics"):
        await serve(settings, Health("relay"))


class OwnKafka:
    """A broker that these tests may freeze and stop; its port is the same after a restart."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._servers: Servers | None = None

    async def start(self) -> None:
        """Start it, again or for the first time."""
        self._servers = await start_servers(self._settings, want=("kafka",))

    async def stop(self) -> None:
        """Stop it; a second time does nothing."""
        if self._servers:
            await self._servers.stop()
            self._servers = None

    def settings(self, settings: Settings) -> Settings:
        """The same settings with this broker in them."""
        assert self._servers
        return settings.model_copy(update={"kafka_bootstrap_servers": self._servers.kafka})

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It answers nothing, and keeps its connections."""
        assert self._servers
        pid = self._servers.pids["kafka"]
        assert pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
async def broker(servers: Settings, run_dir: Path) -> AsyncIterator[OwnKafka]:
    """A broker of this module's own, running."""
    own = OwnKafka(
        servers.model_copy(
            update={"kafka_bootstrap_servers": None, "state_dir": run_dir / "own-kafka"}
        )
    )
    await own.start()
    yield own
    await own.stop()


@pytest.fixture
async def there(settings: Settings, broker: OwnKafka) -> Settings:
    """Settings with that broker, which has the topics."""
    changed = broker.settings(settings)
    await ensure_topics(changed)
    return changed


@pytest.mark.slow
async def test_stop_does_not_wait_for_a_frozen_kafka(there: Settings, broker: OwnKafka) -> None:
    """Told to stop in the middle of a batch that Kafka does not answer, it ends in a few seconds."""
    async with connected(there) as connection, serving(there) as health:
        await eventually(lambda: _is_ready(health))
        with broker.frozen():
            await queue(connection, ["unanswered"])
            await connection.execute("NOTIFY couponry_outbox")
            health.stopping.set()
            await eventually(_is_gone, seconds=2 * STOP_SECONDS)
        assert not await is_drained(connection)


async def test_cancelled_over_and_over_it_lets_go_of_its_producer(topics: Settings) -> None:
    """A stop whose time is up while the relay lets go already leaves nothing open."""
    opened: asyncio.Queue[publisher.Publisher] = asyncio.Queue()

    async def hold() -> None:
        async with publisher.open_publisher(topics) as each:
            opened.put_nowait(each)
            await asyncio.Event().wait()

    holding = asyncio.create_task(hold())
    producer = (await opened.get())._producer
    while not holding.done():
        holding.cancel()
        await asyncio.sleep(0)
    assert producer._closed
    assert not any(each.connected() for each in producer.client._conns.values())


async def _is_gone() -> bool:
    return not [task for task in asyncio.all_tasks() if task.get_name() == "relay"]


@pytest.mark.slow
async def test_kafka_frozen_then_stopped_for_a_while(
    there: Settings, broker: OwnKafka, impatient: None
) -> None:
    """A broker that does not answer, then one that is gone: red each time, and everything goes out once."""
    async with connected(there) as connection, serving(there) as health:
        await eventually(lambda: _is_ready(health))
        writing = asyncio.ensure_future(write_two(there, 1200))
        with broker.frozen():
            await eventually(lambda: _is_red(health))
        names = await writing
        await eventually(lambda: is_drained(connection), seconds=KAFKA_SECONDS)
        await eventually(lambda: _is_ready(health))
        await broker.stop()
        await eventually(lambda: _is_red(health))  # also with nothing to send
        names += await write_two(there, 1200, start=600)
        await broker.start()
        await eventually(lambda: is_drained(connection), seconds=KAFKA_SECONDS)
        await eventually(lambda: _is_ready(health))
    assert_once_and_in_order(await published(there), names)
