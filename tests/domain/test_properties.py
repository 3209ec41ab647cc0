"""What holds for every stream of completions, however it is cut into batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.domain.arrival import (
    CustomerKey,
    Incoming,
    LockedCustomer,
    Verdict,
    in_deciding_order,
)
from services.domain.coupons.coupon import Step
from services.domain.coupons.effects import ChangeCoupon, DeclineIssuance, IssueCoupon
from services.domain.coupons.issuing import Draw
from services.domain.decision import Outcome
from services.domain.events import Cause, GameCompleted, Position
from services.domain.folding import decide_batch
from services.domain.program import Game, Program
from services.domain.state import CustomerState, evolve
from tests.stand.customers import a_customer

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CUSTOMERS = ("anna", "berta", "carl")

games = st.builds(
    Game,
    id=st.just(0),
    partner_id=st.just(1),
    version=st.integers(1, 9),
    is_active=st.sampled_from([True, True, True, False]),
    allow_multiple_active_coupons=st.booleans(),
    coupon_validity_days=st.sampled_from([None, 1, 2, 30]),
    starts_at=st.sampled_from([None, START - 30 * HOUR, START + 30 * HOUR]),
    ends_at=st.sampled_from([None, START + 60 * HOUR, START + 2000 * HOUR]),
    reward_description=st.just("A coffee"),
)
programs = st.lists(games, min_size=1, max_size=3).map(
    lambda some: Program(
        games={number: replace(game, id=number) for number, game in enumerate(some)}
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """A completion and how much later than the one before it is decided. Ids repeat now and then."""

    id: int
    source: str
    customer: str
    game_id: int
    won: bool
    occurred: timedelta
    later: timedelta


plays = st.builds(
    Play,
    id=st.integers(0, 20),
    source=st.sampled_from(["/games", "/quiz"]),
    customer=st.sampled_from(CUSTOMERS),
    game_id=st.integers(0, 3),
    won=st.sampled_from([True, True, True, False]),
    occurred=st.sampled_from([timedelta(0), -HOUR, -48 * HOUR, 5 * HOUR]),
    later=st.sampled_from(
        [timedelta(0), HOUR, 23 * HOUR, 24 * HOUR, 25 * HOUR, 49 * HOUR, -5 * HOUR]
    ),
)
streams = st.lists(plays, max_size=40)
cuts = st.lists(st.integers(0, 40), max_size=8)


def arrival(number: int, play: Play) -> Incoming:
    event = GameCompleted(
        cause=Cause(source=play.source, id=str(play.id), type="game.completed"),
        occurred_at=START + play.occurred,
        partner_id=1,
        game_id=play.game_id,
        customer_id=play.customer,
        won=play.won,
    )
    place = Position(topic="game-completed", partition=0, offset=number)
    return Incoming(
        event=event, event_key=f"{play.id}{play.source}", position=place, timestamp_ms=number
    )


def draw_for(one: Incoming) -> Draw:
    """Drawn from the place, so that a run can be compared with another."""
    return Draw(coupon_id=f"coupon-{one.position.offset}", code="0" * 16)


@dataclass(slots=True, kw_only=True)
class World:
    """What Postgres is to the pipeline: decided events, held coupons, each customer's newest instant."""

    decided: set[str] = field(default_factory=set)
    states: dict[CustomerKey, CustomerState] = field(default_factory=dict)
    newest: dict[CustomerKey, datetime] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    early: list[Incoming] = field(default_factory=list)

    def take(
        self, batch: Iterable[Incoming], program: Program, clock: datetime
    ) -> Sequence[Verdict]:
        """One batch, decided at this time of the database's clock."""
        fresh = [one for one in in_deciding_order(batch) if one.event_key not in self.decided]
        for one in fresh:
            self.newest[one.customer] = max(clock, self.newest.get(one.customer, clock))
        locked = {
            customer: LockedCustomer(number=hash(customer), at=at)
            for customer, at in self.newest.items()
        }
        verdicts, early = decide_batch(
            fresh, program, self.states, locked, {}, [[draw_for(one)] for one in fresh]
        )
        for verdict in verdicts:
            customer = verdict.incoming.customer
            self.decided.add(verdict.incoming.event_key)
            self.states[customer] = evolve(
                self.states.get(customer, a_customer()), verdict.decision.effects
            )
        self.verdicts += verdicts
        self.early += early
        return verdicts


def batches(stream: Sequence[Play], where: Iterable[int]) -> list[list[Incoming]]:
    arrivals = [arrival(number, play) for number, play in enumerate(stream)]
    edges = sorted({0, len(arrivals), *(min(cut, len(arrivals)) for cut in where)})
    return [arrivals[a:b] for a, b in pairwise(edges)]


def by_customer(verdicts: Iterable[Verdict]) -> dict[CustomerKey, list[Any]]:
    found: dict[CustomerKey, list[Any]] = {}
    for verdict in verdicts:
        found.setdefault(verdict.incoming.customer, []).append(verdict.decision)
    return found


def lived(stream: Sequence[Play], where: Iterable[int], program: Program) -> World:
    """The whole stream, the clock moving (sometimes back) with the last event of each batch."""
    world, clock = World(), START
    for batch in batches(stream, where):
        clock += sum((stream[one.position.offset].later for one in batch), timedelta(0))
        world.take(batch, program, clock)
    return world


@given(streams, cuts, cuts, programs)
def test_batches_cut_anywhere_decide_alike(
    stream: list[Play], one_way: list[int], another: list[int], program: Program
) -> None:
    """At one instant, where the batches begin and end changes no decision and no effect."""
    worlds = []
    for where in (one_way, another):
        world = World()
        for batch in batches(stream, where):
            world.take(batch, program, START)
        worlds.append(world)

    assert worlds[0].verdicts == worlds[1].verdicts
    assert worlds[0].states == worlds[1].states


@given(streams, cuts, programs, st.integers(0, 40))
def test_stream_that_comes_again_brings_nothing_new(
    stream: list[Play], where: list[int], program: Program, start: int
) -> None:
    """From whatever offset a partition is read again, every decided event is a repeat."""
    world = lived(stream, where, program)
    states = dict(world.states)
    dead = {one.event_key for one in world.early}

    again = [
        one
        for batch in batches(stream, where)
        for one in batch[start:]
        if one.event_key not in dead
    ]

    assert world.take(again, program, START) == []
    assert world.states == states


@given(streams, cuts, programs, st.sampled_from(CUSTOMERS))
def test_other_customers_are_irrelevant(
    stream: list[Play], where: list[int], program: Program, customer: str
) -> None:
    """What a customer gets is the same with and without everybody else's events in the batches."""
    stream = [replace(play, id=play.id * 10 + CUSTOMERS.index(play.customer)) for play in stream]
    everybody, alone, clock = World(), World(), START
    for batch in batches(stream, where):
        clock += sum((stream[one.position.offset].later for one in batch), timedelta(0))
        everybody.take(batch, program, clock)
        alone.take([one for one in batch if one.event.customer_id == customer], program, clock)

    assert by_customer(everybody.verdicts).get((1, customer)) == by_customer(alone.verdicts).get(
        (1, customer)
    )


@given(streams, cuts, programs)
def test_single_rule_never_leaves_two_active(
    stream: list[Play], where: list[int], program: Program
) -> None:
    """Under the single rule a coupon's life begins at or after the end of the one before."""
    lives: dict[tuple[CustomerKey, int], list[IssueCoupon]] = {}
    for verdict in lived(stream, where, program).verdicts:
        for effect in verdict.decision.effects:
            if isinstance(effect, IssueCoupon) and not effect.allow_multiple_active_coupons:
                lives.setdefault((verdict.incoming.customer, effect.game_id), []).append(effect)

    for coupons in lives.values():
        for earlier, later in pairwise(coupons):
            assert earlier.expires_at is not None
            assert earlier.expires_at <= later.issued_at


@given(streams, cuts, programs)
def test_effects_of_a_decision_fit_together(
    stream: list[Play], where: list[int], program: Program
) -> None:
    """A coupon ends after it begins, is closed once at the end it was given, and every outcome says what it did."""
    world = lived(stream, where, program)
    issued: dict[str, IssueCoupon] = {}
    closed: set[str] = set()
    for verdict in world.verdicts:
        decision = verdict.decision
        match decision.effects:
            case (*closing, IssueCoupon() as issue):
                assert decision.outcome is Outcome.ISSUED
                assert decision.coupon_id == issue.coupon_id
                assert issue.issued_at == decision.decided_at
                assert issue.expires_at is None or issue.expires_at > issue.issued_at
                for expire in closing:
                    assert isinstance(expire, ChangeCoupon)
                    assert expire.step is Step.EXPIRED
                    assert expire.coupon.id not in closed
                    assert expire.at == issued[expire.coupon.id].expires_at
                    assert expire.at <= decision.decided_at
                    closed.add(expire.coupon.id)
                issued[issue.coupon_id] = issue
            case (DeclineIssuance() as decline,):
                assert (decision.outcome, decision.reason) == (Outcome.DECLINED, decline.reason)
                if (blocking := decline.blocking_coupon_id) is not None:
                    end = issued[blocking].expires_at
                    assert end is None or end > decision.decided_at
            case _:
                raise AssertionError(decision)
    assert len(world.verdicts) == len(world.decided)


@given(streams, cuts, programs)
def test_customers_time_only_moves_forward(
    stream: list[Play], where: list[int], program: Program
) -> None:
    """Also when the database's clock is set back between two batches."""
    for decisions in by_customer(lived(stream, where, program).verdicts).values():
        instants = [decision.decided_at for decision in decisions]
        assert instants == sorted(instants)


@given(streams, cuts, programs)
def test_same_inputs_give_the_same_outputs(
    stream: list[Play], where: list[int], program: Program
) -> None:
    """No clock, no chance, no memory: the rules can be run again, for a lost race or for a what-if."""
    first, second = lived(stream, where, program), lived(stream, where, program)

    assert (first.verdicts, first.early, first.states) == (
        second.verdicts,
        second.early,
        second.states,
    )


@given(streams, programs)
def test_batch_leaves_its_inputs_alone(stream: list[Play], program: Program) -> None:
    """The state handed in is the one Postgres had: a batch that is rolled back starts from it again."""
    world = lived(stream, [20], program)
    states: Mapping[CustomerKey, CustomerState] = {
        key: a_customer(coupons=dict(state.coupons.by_id), issues=dict(state.coupons.issues))
        for key, state in world.states.items()
    }
    locked = {key: LockedCustomer(number=1, at=at) for key, at in world.newest.items()}
    arrivals = [one for batch in batches(stream, []) for one in batch if one.customer in locked]

    drawn = [[draw_for(one)] for one in arrivals]
    decide_batch(arrivals, program, world.states, locked, {}, drawn)

    assert world.states == states
