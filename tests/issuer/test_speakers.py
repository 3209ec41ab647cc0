"""Who may speak for a partner: events from another source are dead letters, until the source is allowed."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg
import pytest

from schemas.topics import http_source
from services.adapters.postgres.partners import set_sources
from services.domain.sources import may_speak
from services.issuer import speakers
from services.issuer.parts import Part, read
from services.issuer.pipeline import Pipeline
from services.issuer.speakers import Speakers
from services.runtime.settings import Settings
from tests.stand.commands import CommandOn
from tests.stand.issuing import a_game, a_partner, letters, outcomes
from tests.stand.records import again, completed


@pytest.mark.parametrize(
    ("source", "patterns", "may"),
    [
        ("/games/a", (), True),
        ("/games/a", ("/games/a",), True),
        ("/games/a", ("/games/b", "/games/a"), True),
        ("/games/a", ("/games/*",), True),
        ("/games/", ("/games/*",), True),
        ("/games/a/b", ("/games/*/b",), True),
        ("/games/a", ("*",), True),
        ("", ("*",), True),
        ("/games/a\n", ("/games/*",), True),
        ("/games/a", ("/games",), False),
        ("x/games/a", ("/games/*",), False),
        ("/Games/a", ("/games/*",), False),
        ("/games/ab", ("/games/a",), False),
        ("/gamesXa", ("/games.a",), False),
        ("/games/a", ("[a-z/]+",), False),
    ],
)
def test_pattern_is_the_whole_of_a_source(
    source: str, patterns: tuple[str, ...], may: bool
) -> None:
    """With case; nothing but a star is special."""
    assert may_speak(source, patterns) is may


def test_pattern_of_many_stars_takes_no_time() -> None:
    """Whatever an operator types."""
    began_at = time.process_time()
    assert not may_speak("a" * 1_000, ("*" * 500 + "b",))
    assert time.process_time() - began_at < 5


async def test_stranger_speaks_for_nobody(
    database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """His event is a dead letter, of every kind of event; what was decided before stays a repeat."""
    game_id = await a_game(database, partner_id, allow_multiple_active_coupons=True)
    play: dict[str, Any] = {"partner_id": partner_id, "game_id": game_id}
    before = completed("before", source="/stranger", **play)
    await pipeline.process([before])
    await set_sources(database, partner_id, ["/games/*"])
    own, strange = completed("own", source="/games/1", **play), completed("s", source="/x", **play)
    await pipeline.speakers.refresh()
    report = await pipeline.process([again(before), strange, own])
    assert (len(report.verdicts), report.already_decided) == (1, 1)
    (letter,) = await letters(database)
    assert (letter["stage"], letter["event_id"]) == ("source", "s")
    assert f"couponry partners set {partner_id} --source" in letter["message"]
    assert [name for name, *_ in await outcomes(database)] == ["before", "own"]


async def test_partner_speaks_for_itself_over_http(
    database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """Whatever its patterns say; for another partner nobody speaks that way unless the patterns let him."""
    game_id = await a_game(database, partner_id, allow_multiple_active_coupons=True)
    await set_sources(database, partner_id, ["/games/*"])
    play: dict[str, Any] = {"partner_id": partner_id, "game_id": game_id}
    report = await pipeline.process(
        [
            completed("own", source=http_source(partner_id), **play),
            completed("other", source=http_source(partner_id + 1), **play),
        ]
    )
    assert [verdict.incoming.event.cause.id for verdict in report.verdicts] == ["own"]
    (letter,) = await letters(database)
    assert (letter["stage"], letter["event_id"]) == ("source", "other")


class _Slow:
    """A pool; of those it is asked, the next answer is held back until it is let go."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.asked, self.let_go = asyncio.Event(), asyncio.Event()
        self.holds_back = False

    async def fetch(self, *arguments: Any) -> Any:
        rows = await self._pool.fetch(*arguments)
        if self.holds_back:
            self.holds_back = False
            self.asked.set()
            await self.let_go.wait()
        return rows


async def refused(known: Speakers, *partners: int) -> int:
    """How many of a batch's events, one of a stranger's for each partner, become letters."""
    records = [
        completed("e", source="/stranger", partner_id=partner, game_id=1) for partner in partners
    ]
    arrivals, unread, _ = read(records)
    return len((await known.judged(records, Part(arrivals=arrivals, letters=unread))).letters)


async def test_partner_met_while_others_are_asked_about_is_closed_to_strangers(
    database: asyncpg.Connection, pool: asyncpg.Pool, partner_id: int
) -> None:
    """The answer about those known before does not name it, which must not be taken for "anybody"."""
    guarded = await a_partner(database)
    await set_sources(database, guarded, ["/own"])
    slow: Any = _Slow(pool)
    known = Speakers(slow)
    assert await refused(known, partner_id) == 0
    slow.holds_back = True
    refreshing = asyncio.create_task(known.refresh())
    await slow.asked.wait()
    assert await refused(known, guarded) == 1
    slow.let_go.set()
    await refreshing
    assert await refused(known, guarded) == 1


async def test_partner_forgotten_while_others_are_asked_about_is_closed_to_strangers(
    database: asyncpg.Connection,
    pool: asyncpg.Pool,
    partner_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A batch names one that is known and one that is not; meanwhile all who are known are forgotten."""
    guarded = await a_partner(database)
    await set_sources(database, guarded, ["/own"])
    slow: Any = _Slow(pool)
    known = Speakers(slow)
    assert await refused(known, guarded) == 1
    slow.holds_back = True
    judging = asyncio.create_task(refused(known, guarded, partner_id))
    await slow.asked.wait()
    monkeypatch.setattr(speakers, "MOST_KNOWN", 0)
    await known.refresh()
    slow.let_go.set()
    assert await judging == 1


async def test_source_is_allowed_and_its_letters_redriven(
    settings: Settings, database: asyncpg.Connection, pipeline: Pipeline, couponry_on: CommandOn
) -> None:
    """By command, at once for a partner just added; every change says what was before."""
    couponry = couponry_on(settings)
    added = (
        await couponry("partners", "add", "Kava", "--source", "/a/*", "--source", "/b", "--json")
    ).json()
    assert added["sources"] == ["/a/*", "/b"]
    partner_id = added["id"]
    game_id = await a_game(database, partner_id)
    await pipeline.process([completed("e", source="/c", partner_id=partner_id, game_id=game_id)])
    assert (await couponry("partners", "set", partner_id)).code == 2
    assert (
        await couponry("partners", "set", partner_id, "--source", "/c", "--any-source")
    ).code == 2
    assert (await couponry("partners", "set", 2**40, "--source", "/c")).code == 2
    tried = await couponry("partners", "set", partner_id, "--source", "/c", "--dry-run", "--json")
    assert tried.json()["sources"] == ["/c"]
    redrive = ("dead-letters", "redrive", "--filter", "stage=source", "--json")
    assert (await couponry(*redrive)).json()["dead"] == 1
    changed = (await couponry("partners", "set", partner_id, "--source", "/c", "--json")).json()
    assert changed == {"id": partner_id, "sources": ["/c"], "before": ["/a/*", "/b"]}
    assert (await couponry(*redrive)).json()["decided"] == 1
    said = (await couponry("partners", "set", partner_id, "--any-source")).out
    assert said == f"partner {partner_id}: events from any source, was events from /c\n"
