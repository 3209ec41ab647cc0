"""The model beside the database: every decision told to both, and after each step what they say of every customer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import asyncpg

from services.domain.coupons.codes import display
from tests.simulation.log import Log
from tests.simulation.model.book import Book, Told
from tests.simulation.model.coupons import Coupon
from tests.simulation.model.customer import Customer, Said
from tests.simulation.model.rules import Rules

DECISIONS = """
    SELECT d.seq, d.event_id, d.event_key, d.event_type, d.decided_at, d.occurred_at, d.partition, d.offset, d.outcome, d.reason, d.codes,
           d.program_version, d.program, d.game_id, g.game_type, v.rules AS game_rules
    FROM decisions d LEFT JOIN games g ON g.id = d.game_id
    LEFT JOIN game_versions v ON v.game_id = d.game_id AND v.version = d.rule_version
    WHERE d.seq > $1 ORDER BY d.seq"""
GRANTED = """
    SELECT c.id::text, c.event_key, c.code, c.code_prefix, c.external_code, c.code_from, c.source_kind, c.source_id FROM coupons c
    JOIN outbox o ON o.ce_id = c.id::text || '.issued' WHERE c.game_id IS NULL AND c.event_key = ANY($1::uuid[]) ORDER BY o.id"""
BY_OTHERS = """
    SELECT h.coupon_id::text, h.step, h.word, h.status, h.at, h.shop_id FROM coupon_history h JOIN coupons c ON c.id = h.coupon_id
    WHERE c.game_id IS NULL AND h.event_key IS NULL ORDER BY h.coupon_id, h.step"""
ENDED_BY_TIME = """
    SELECT c.customer_id, max(l.at) AS at FROM ledger l JOIN customers c USING (customer_no)
    WHERE l.kind = 'expired' AND l.event_key IS NULL GROUP BY c.customer_id"""
ACCOUNTS = """
    SELECT c.customer_id, c.last_at, w.balance, w.owed, w.points_earned, w.score, w.spent, w.orders, w.referrals,
           coalesce(w.tier_recorded, false) AS tier_recorded, w.tier_id, w.granted_ids, w.campaigns,
           p.registered_at IS NOT NULL AS registered, p.referred_by, p.referral_key IS NOT NULL AS referral_done, p.card_id,
           (SELECT coalesce(json_agg(json_build_array(l.expires_at, l.amount, l.remaining, l.expired) ORDER BY l.number), '[]')
            FROM lots l WHERE l.customer_no = c.customer_no) AS lots
    FROM customers c LEFT JOIN wallets w USING (customer_no) LEFT JOIN profiles p USING (customer_no)"""
PURCHASES = """
    SELECT p.order_id, c.customer_id, p.amount, p.points, p.score, p.refunded, p.is_closed
    FROM purchases p JOIN customers c USING (customer_no)"""
COUPONS = """
    SELECT id::text, status, used_count, expires_at, reserved_until FROM coupons WHERE game_id IS NULL"""


@dataclass(slots=True)
class Comparing:
    """`by_hand`: what partners have asked for, by the id of the request; `answers`: the points that it moved, and the balance.

    `wrong`: what the two have said differently outside of decisions.
    """

    pool: asyncpg.Pool
    partner_id: int
    log: Log
    book: Book = field(default_factory=Book)
    by_hand: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, tuple[int, int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    _seen: int = 0
    _rules: dict[int, Rules] = field(default_factory=dict)
    _coupons: dict[str, Coupon] = field(default_factory=dict)
    _steps: dict[str, int] = field(default_factory=dict)

    async def differences(self, now: datetime) -> list[str]:
        """Tell the model what was decided since, and what the two say differently."""
        await self._follow_others()
        decisions = await self.pool.fetch(DECISIONS, self._seen)
        keys = [row["event_key"] for row in decisions]
        granted: dict[Any, list[asyncpg.Record]] = {key: [] for key in keys}
        for row in await self.pool.fetch(GRANTED, keys):
            granted[row["event_key"]].append(row)
        before = {id_ for id_, each in self.book.customers.items() if each.registered}
        for row in decisions:
            self._seen = row["seq"]
            rules = await self._rules_at(row["program_version"])
            said = self.book.decide(self._told(row, before), rules)
            if wrong := self._met(row, said, granted[row["event_key"]]):
                # What comes after it would only be more of the same.
                return [f"decision {self._seen} ({row['event_type']}): {each}" for each in wrong]
        for row in await self.pool.fetch(ENDED_BY_TIME):
            self.book.of(row["customer_id"]).account.end(row["at"])
        return [
            *self.wrong,
            *await self._accounts(now),
            *await self._purchases(),
            *await self._held(now),
        ]

    async def would_say(self, type_: str, data: dict[str, Any], offset: timedelta) -> str | None:
        """Why the model would refuse it now; nothing comes of that."""
        at = await self.pool.fetchval(
            "SELECT greatest(clock_timestamp() + $3, (SELECT last_at FROM customers WHERE (partner_id, customer_id) = ($1, $2)))",
            self.partner_id, data["customer_id"], offset,
        )  # fmt: skip
        told = Told(type=type_, data=data, at=at, occurred_at=at)
        return deepcopy(self.book).decide(told, await self._rules_now()).reason

    async def rule_ids(self) -> list[int]:
        """Of the program's redemption rules as they are, the default rule aside."""
        rules = await self._rules_now()
        return [] if rules is None else [each["id"] for each in rules.redemption["rules"]]

    async def _rules_now(self) -> Rules | None:
        version = await self.pool.fetchval(
            "SELECT version FROM programs WHERE partner_id = $1", self.partner_id
        )
        return await self._rules_at(version or None)

    async def forget_pools(self) -> None:
        """Of groups that the program does not have any more."""
        rules = await self._rules_now()
        self.book.pools.keep(rules.groups if rules is not None else ())

    async def _rules_at(self, version: int | None) -> Rules | None:
        if version is None:
            return None
        if version not in self._rules:
            row = await self.pool.fetchrow(
                "SELECT sections, cards, time_zone FROM program_versions WHERE partner_id = $1 AND version = $2",
                self.partner_id,
                version,
            )
            assert row is not None, f"a decision names version {version}, which never was"
            self._rules[version] = Rules(version, row["sections"], row["cards"], row["time_zone"])
        return self._rules[version]

    def _told(self, row: asyncpg.Record, registered_before: set[str]) -> Told:
        data = self.by_hand.get(row["event_id"])
        if data is None:
            record = self.log.partitions[row["partition"]][row["offset"]]
            data = json.loads(record.value or b"", parse_float=Decimal)
        game = None
        is_open = row["game_rules"] is not None and json.loads(row["game_rules"])["is_active"]
        if is_open:
            game = {"game_id": row["game_id"], "game_type": row["game_type"]}
        referral = (json.loads(row["program"]) if row["program"] else {}).get("referral") or {}
        referrer = data.get("referred_by")
        is_new = (
            referrer not in registered_before
            and referrer is not None
            and self.book.of(referrer).registered
        )
        return Told(
            type=row["event_type"], data=data, at=row["decided_at"], occurred_at=row["occurred_at"], game=game,
            is_referrer_new=is_new and row["program"] is not None,
            says_unknown_referrer=referral.get("reason") == "unknown_referrer",
        )  # fmt: skip

    def _met(self, row: asyncpg.Record, said: Said, granted: Sequence[asyncpg.Record]) -> list[str]:
        """What the decision says otherwise than the model; coupons get their ids and codes."""
        found: list[str] = []
        sources = [(each["source_kind"], each["source_id"]) for each in granted]
        if sources != [coupon.source for coupon in said.granted]:
            return [f"granted {sources}, should {[coupon.source for coupon in said.granted]}"]
        for each, coupon in zip(granted, said.granted, strict=True):
            coupon.id = each["id"]
            self._coupons[coupon.id] = coupon
            own = display(each["code"], each["code_prefix"])
            self.book.codes[own] = self.book.codes[each["external_code"] or own] = coupon
            pooled = (each["external_code"] or own) if each["code_from"] == "pool" else None
            if pooled != coupon.code:
                found.append(f"code {pooled} of a pool, should be {coupon.code}")
        if row["event_type"].startswith("points.re") or row["event_type"].startswith("points.undo"):
            found += self._met_request(row, said)
        if row["program"] is None:
            return found
        program = json.loads(row["program"])
        campaigns = [(each["id"], each["outcome"], each["reason"]) for each in program["campaigns"]]
        referral = program["referral"]
        tier = tuple((program["tier"][when] or {"id": None})["id"] for when in ("before", "after"))
        pairs: list[tuple[str, Any, Any]] = [
            ("campaigns", campaigns, said.campaigns),
            (
                "referral",
                referral and (referral["outcome"], referral["reason"], referral["referrer_id"]),
                said.referral,
            ),
            ("tier", tier, said.tier),
            (
                "discounts",
                [
                    (each["coupon_id"], Fraction(each["amount"]))
                    for each in program["discounts"]
                    if each["coupon_id"] in self._coupons
                ],
                said.discounts,
            ),
        ]
        if row["event_type"].startswith("order."):
            pairs.append(("reason", row["reason"], said.reason))
            codes = json.loads(row["codes"] or "[]")
            pairs += [
                (f"code {place}", (codes[place]["outcome"], codes[place]["reason"]), answer)
                for place, answer in said.codes.items()
            ]
        return found + [
            f"{name} {theirs}, should be {ours}" for name, theirs, ours in pairs if theirs != ours
        ]

    def _met_request(self, row: asyncpg.Record, said: Said) -> list[str]:
        """Points into a coupon, or back: what came of it, and what who asked at once was answered."""
        outcome = "issued" if said.reason is None else "declined"
        theirs = (row["outcome"], row["reason"])
        ours = ("recorded" if "undo" in row["event_type"] else outcome, said.reason)
        found = [] if theirs == ours else [f"came to {theirs}, should be {ours}"]
        if row["event_id"] in self.answers:
            who = self.book.of(self.by_hand[row["event_id"]]["customer_id"])
            told, answer = self.answers[row["event_id"]], (said.moved, who.account.balance)
            found += [] if told == answer else [f"answered {told}, should be {answer}"]
        return found

    async def _follow_others(self) -> None:
        """What staff and time have done to coupons are facts to the model."""
        for row in await self.pool.fetch(BY_OTHERS):
            if self._steps.get(row["coupon_id"], 0) >= row["step"]:
                continue
            self._steps[row["coupon_id"]] = row["step"]
            coupon = self._coupons[row["coupon_id"]]
            if row["word"] in {"used", "redeemed"}:
                coupon.use(None)
            elif row["word"] == "reinstated":
                assert coupon.used, "a use comes back of a coupon that has none"
                coupon.used -= 1
                # A till's own use, if it has had one; else the newest of an order.
                place = coupon.uses.index(None) if None in coupon.uses else -1
                del coupon.uses[place]
            if row["word"] == "reserved":
                coupon.reserved_shop, coupon.reserved_until = (
                    row["shop_id"],
                    row["at"] + timedelta(minutes=15),
                )
            coupon.status = row["status"]

    async def _accounts(self, now: datetime) -> list[str]:
        found = []
        for row in await self.pool.fetch(ACCOUNTS):
            customer = self.book.of(row["customer_id"])
            theirs, ours = _as_stored(row), _as_modelled(customer)
            found += [
                f"{customer.id}: {name} {theirs[name]}, should be {ours[name]}"
                for name in theirs
                if theirs[name] != ours[name]
            ]
        return found

    async def _purchases(self) -> list[str]:
        theirs = {
            row["order_id"]: (
                row["customer_id"], Fraction(row["amount"]), row["points"], row["score"], Fraction(row["refunded"]), row["is_closed"],
            )
            for row in await self.pool.fetch(PURCHASES)
        }  # fmt: skip
        ours = {
            order_id: (each.owner, each.amount, each.points, each.score, each.refunded, each.closed)
            for order_id, each in self.book.purchases.items()
        }
        return [] if theirs == ours else [f"purchases {theirs}, should be {ours}"]

    async def _held(self, now: datetime) -> list[str]:
        found = []
        for row in await self.pool.fetch(COUPONS):
            coupon = self._coupons[row["id"]]
            status = row["status"]
            if status == "reserved" and row["reserved_until"] <= now:
                status = "active"
            if (
                status in {"active", "reserved"}
                and row["expires_at"] is not None
                and row["expires_at"] <= now
            ):
                status = "expired"
            theirs = (status, row["used_count"], row["expires_at"])
            was = coupon.status
            coupon.settle(now)
            ours = (coupon.status, coupon.used, coupon.ends)
            coupon.status = was
            if theirs != ours:
                found.append(f"coupon {row['id']} of {coupon.source}: {theirs}, should be {ours}")
        return found


def _as_stored(row: asyncpg.Record) -> dict[str, Any]:
    lots = [
        (None if ends is None else datetime.fromisoformat(ends), amount, left, expired)
        for ends, amount, left, expired in json.loads(row["lots"])
    ]
    names = ("balance", "owed", "points_earned", "score", "orders", "referrals")
    progress = {
        int(id_): tuple(each)
        for id_, each in json.loads(row["campaigns"] or "{}").items()
        if each != [0, 1, 0]
    }
    return {
        **{name: row[name] or 0 for name in names},
        "spent": Fraction(row["spent"] or 0),
        "tier": (row["tier_recorded"], row["tier_id"]),
        "granted": set(row["granted_ids"] or ()),
        "campaigns": progress,
        "profile": (
            bool(row["registered"]),
            row["referred_by"],
            bool(row["referral_done"]),
            row["card_id"],
        ),
        "lots": lots,
    }


def _as_modelled(customer: Customer) -> dict[str, Any]:
    account = customer.account
    progress = {
        id_: (each.achieved, each.round, each.steps)
        for id_, each in customer.campaigns.items()
        if (each.achieved, each.round, each.steps) != (0, 1, 0)
    }
    return {
        **{
            name: getattr(account, name)
            for name in ("balance", "owed", "points_earned", "score", "orders", "referrals")
        },
        "spent": account.spent,
        "tier": (customer.is_recorded, customer.tier[0] if customer.tier else None),
        "granted": customer.granted_tiers,
        "campaigns": progress,
        "profile": (
            customer.registered,
            customer.referred_by,
            customer.referral_done,
            customer.card,
        ),
        "lots": [(lot.ends, lot.amount, lot.left, lot.expired) for lot in account.lots],
    }
