"""Decide records and record nothing: the pipeline's reading and rules, over a read-only transaction, in memory.

Each batch sees what the ones before it would have done: their decisions count as made, their coupons as issued. No
customer is locked or added, so what live issuers do meanwhile may change the answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from aiokafka import ConsumerRecord

from services.adapters.draws import Drawing
from services.adapters.postgres import groups, inbox, quota, waiting
from services.adapters.postgres.pool import Connection
from services.adapters.postgres.queries import queries
from services.adapters.postgres.waiting import Queue, queue_of
from services.decisions.follow_ups import referral_cause, unfounded
from services.decisions.loading import load, what_they_need
from services.decisions.programs import Programs
from services.decisions.stocking import most_granted
from services.decisions.transaction import most_issued
from services.domain.arrival import CustomerKey, Incoming, LockedCustomer, Verdict
from services.domain.coupons.codes import parse
from services.domain.coupons.effects import (
    DeclineIssuance,
    DeclineReward,
    GrantCoupon,
    IssueCoupon,
)
from services.domain.coupons.issuing import Draw
from services.domain.coupons.stock import Given, GroupKey, Stock, left_after
from services.domain.effects import Effect
from services.domain.events import Cause, Event, OrderPlaced, OrderReversed
from services.domain.folding import (
    RuleFailed,
    Shared,
    decide_batch,
    issued_by_game,
)
from services.domain.letters import DeadLetter, Stage
from services.domain.needs import looks_at_coupons
from services.domain.profiles import CompleteReferral
from services.domain.program import Program
from services.domain.purchases import NoteRefund
from services.domain.referrals import RewardReferral
from services.domain.state import NEW_CUSTOMER, CustomerState, laid_over, with_effects
from services.domain.unjudged import Unjudgeable
from services.issuer.aside import Why, place_of, set_aside
from services.issuer.codec import NOTHING_IGNORED
from services.issuer.letters import letter_for
from services.issuer.parts import Part, Report, read, why_too_early, why_unfounded
from services.issuer.speakers import Speakers

_SQL = queries("rehearsal", __package__)


class DryRun:
    """Takes batches like `Pipeline`.

    Keeps in memory the key of each event it decides, and of each customer what later events can come upon: up to 1.5 KB
    for each new event, nothing for one that was decided before.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        clock_offset: timedelta,
        ignored: Container[str] = NOTHING_IGNORED,
        drawing: Drawing | None = None,
    ) -> None:
        """`drawing`: as a real run would draw, so that codes of coupons that were lost are known; else at random."""
        self._ignored = ignored
        self._drawing = drawing or Drawing()
        self._connection = connection
        self._clock_offset = clock_offset
        self._decided: set[str] = set()
        self._told: set[Cause] = set()
        """Referrals that would have been completed: what a real run would tell itself of them is founded."""
        self._waiting: set[Queue] = set()
        self._changes: dict[CustomerKey, CustomerState] = {}
        self._shared = Shared()
        self._codes: dict[tuple[int, str], CustomerKey] = {}
        """Whose the coupons are that later orders may name."""
        self._external_codes: dict[tuple[int, str], CustomerKey] = {}
        self._given = Given()
        self._closed: set[tuple[CustomerKey, str]] = set()
        """Orders that were wholly refunded before they counted: what is stored of their refunds counts no more."""
        self._issued: Counter[int] = Counter()

    async def process(self, records: Sequence[ConsumerRecord]) -> Report:
        """What would become of these records. Raises what an outage raises."""
        report = Report(read=len(records))
        arrivals, letters, passed = read(records, self._ignored)
        report.passed_over = len(passed)
        part = await Speakers(self._connection).judged(
            records, Part(arrivals=arrivals, letters=letters)
        )
        arrivals, letters = list(part.arrivals), list(part.letters)
        report.letters += letters
        async with self._connection.transaction(readonly=True, isolation="repeatable_read"):
            undecided = await inbox.undecided(self._connection, arrivals)
            fresh = [incoming for incoming in undecided if incoming.event_key not in self._decided]
            queues = await waiting.queues_of(
                self._connection, {incoming.customer for incoming in fresh}
            )
            why: Why = _nothing_known
            while fresh:
                fresh, asides = set_aside(records, fresh, why, queues | self._waiting)
                report.waiting += [place_of(aside.record) for aside in asides]
                self._waiting |= {queue_of(one.incoming) for one in asides if one.incoming}
                if not fresh:
                    break
                try:
                    await self._decide(records, fresh, report)
                    break
                except Unjudgeable as error:
                    why = error.of
        return report

    async def new_letters(self, letters: Collection[DeadLetter]) -> int:
        """How many of these are of records that have no dead letter yet."""
        positions = {letter.position for letter in letters}
        kept: int = await self._connection.fetchval(
            _SQL["letters_kept"],
            [position.topic for position in positions],
            [position.partition for position in positions],
            [position.offset for position in positions],
        )
        return len(positions) - kept

    async def _decide(
        self, records: Sequence[ConsumerRecord], fresh: Sequence[Incoming], report: Report
    ) -> None:
        """Load as the pipeline does, then decide one by one, so that each event sees all before it."""
        connection, programs = self._connection, Programs()
        customers = await self._customers({incoming.customer for incoming in fresh})
        program = await programs.load(connection, [incoming.event for incoming in fresh])
        fresh = await self._founded(records, fresh, report)
        asked = what_they_need(fresh, program)
        stored, program = await load(
            connection, programs, program, asked, customers, changes=self._changes
        )
        limited = most_issued(asked)
        still = await quota.left(connection, limited)
        left = {game_id: still.get(game_id, 0) - self._issued[game_id] for game_id in limited}
        stock = await self._stock(most_granted(asked))
        drawn = self._drawing.draws_for([(incoming, wanted.draws) for incoming, wanted in asked])
        for (incoming, _), mine in zip(asked, drawn, strict=True):
            if incoming.event_key in self._decided:
                continue
            state = self._state(incoming, stored.get(incoming.customer, NEW_CUSTOMER))
            answer = _answer(incoming, records, program, state, customers, left, mine, stock)
            if isinstance(answer, DeadLetter):
                report.letters.append(answer)
                continue
            report.verdicts.append(answer)
            self._keep(answer, state, program)
            for game_id, count in issued_by_game([answer], left).items():
                left[game_id] -= count
                self._issued[game_id] += count
            stock = left_after(stock, incoming.customer[0], answer.decision.effects)
            self._given.note(incoming.customer[0], answer.decision.effects)

    async def _stock(self, wanted: Mapping[GroupKey, int]) -> Stock:
        """What groups have left, held by nobody, without what was given so far."""
        codes = {key: count + self._given.codes_of(key) for key, count in wanted.items()}
        return self._given.taken_from(await groups.stock_of(self._connection, codes))

    async def _founded(
        self, records: Sequence[ConsumerRecord], fresh: Sequence[Incoming], report: Report
    ) -> list[Incoming]:
        """Those that are no events of ours which nobody of us has told; of such a letter is reported."""
        forged = await unfounded(self._connection, fresh)
        founded = []
        for incoming in fresh:
            if incoming.event_key not in forged or incoming.event.cause in self._told:
                founded.append(incoming)
            else:
                why = why_unfounded(incoming)
                report.letters.append(letter_for(records, incoming, Stage.SOURCE, why))
        return founded

    async def _customers(self, keys: Collection[CustomerKey]) -> dict[CustomerKey, LockedCustomer]:
        """These customers, locked by nobody; unknown ones under numbers that nothing is stored of."""
        rows = await self._connection.fetch(
            _SQL["customers"],
            [partner_id for partner_id, _ in keys],
            [customer_id for _, customer_id in keys],
            self._clock_offset,
        )
        return {
            (row["partner_id"], row["customer_id"]): LockedCustomer(
                number=row["customer_no"] or -number, at=row["at"]
            )
            for number, row in enumerate(rows, start=1)
        }

    def _state(self, incoming: Incoming, stored: CustomerState) -> CustomerState:
        """What this event meets: what is stored, with all that would have been done so far."""
        event, customer = incoming.event, incoming.customer
        changes = self._changes.get(customer)
        state = laid_over(stored, changes) if changes else stored
        if isinstance(event, OrderPlaced):
            state = self._with_foreign_codes(event, customer, state)
        if isinstance(event, (OrderPlaced, OrderReversed)) and (
            (customer, event.order_id) in self._closed
        ):
            noted = dict(state.purchases.refunded_before)
            noted.pop(event.order_id, None)
            purchases = replace(state.purchases, refunded_before=noted)
            state = replace(state, purchases=purchases)
        return self._shared.seen_by(event, state)

    def _with_foreign_codes(
        self, event: OrderPlaced, customer: CustomerKey, state: CustomerState
    ) -> CustomerState:
        read = (parse(text) for text in event.coupon_codes)
        foreign = _foreign(self._codes, (code for _, code in filter(None, read)), customer)
        external = _foreign(self._external_codes, event.coupon_codes, customer)
        if not (foreign or external):
            return state
        coupons = replace(
            state.coupons,
            foreign_codes=state.coupons.foreign_codes | foreign,
            foreign_external_codes=state.coupons.foreign_external_codes | external,
        )
        return replace(state, coupons=coupons)

    def _keep(self, verdict: Verdict, before: CustomerState, program: Program) -> None:
        incoming = verdict.incoming
        self._decided.add(incoming.event_key)
        event = incoming.event
        effects = [
            effect for effect in verdict.decision.effects if _matters_later(effect, event, program)
        ]
        if any(isinstance(effect, CompleteReferral) for effect in effects):
            self._told.add(referral_cause(incoming.event_key))
        if not effects:
            return
        customer = incoming.customer
        changes = self._changes.get(customer, NEW_CUSTOMER)
        self._changes[customer] = with_effects(changes, before, effects)
        self._shared.note(customer, verdict.decision)
        for effect in effects:
            if isinstance(effect, (IssueCoupon, GrantCoupon)):
                self._codes[customer[0], effect.code] = customer
                if isinstance(effect, GrantCoupon) and effect.external_code is not None:
                    self._external_codes[customer[0], effect.external_code] = customer
            elif isinstance(effect, NoteRefund) and effect.closes:
                self._closed.add((customer, effect.order_id))


def _foreign(
    owners: Mapping[tuple[int, str], CustomerKey], codes: Iterable[str], customer: CustomerKey
) -> set[str]:
    """Those of another customer of the partner."""
    return {code for code in codes if owners.get((customer[0], code), customer) != customer}


def _nothing_known(_incoming: Incoming) -> None:
    """Whether anything cannot be judged is not known yet."""


def _matters_later(effect: Effect, event: Event, program: Program) -> bool:
    """Whether a later event can come upon it: not upon a coupon that is in nobody's way, whose code nobody gives.

    An order may give the code of one that an order before it earned: they are of one topic, completions are of another.
    """
    if isinstance(effect, IssueCoupon):
        return looks_at_coupons(program.games[effect.game_id]) or isinstance(event, OrderPlaced)
    return not isinstance(effect, (DeclineIssuance, DeclineReward, RewardReferral))


def _answer(
    incoming: Incoming,
    records: Sequence[ConsumerRecord],
    program: Program,
    state: CustomerState,
    customers: Mapping[CustomerKey, LockedCustomer],
    left: Mapping[int, int],
    mine: Sequence[Draw],
    stock: Stock,
) -> Verdict | DeadLetter:
    """One event decided, or why it cannot be."""
    try:
        verdicts, _ = decide_batch(
            [incoming], program, {incoming.customer: state}, customers, left, [mine], stock
        )
    except RuleFailed as error:
        return letter_for(records, incoming, Stage.DECIDE, error)
    return (
        verdicts[0]
        if verdicts
        else letter_for(records, incoming, Stage.TIME, why_too_early(incoming))
    )
