"""All customers of one partner: each event in its turn, as the decision log has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any

from tests.simulation.model import orders, redemptions
from tests.simulation.model.coupons import Coupon
from tests.simulation.model.customer import Customer, Purchase, Said, Turn
from tests.simulation.model.exactly import as_number, down, number
from tests.simulation.model.pools import Pools
from tests.simulation.model.rules import Document, Rules

_REDEEMS = {"points.redeem-requested", "points.redeem"}
_UNDOES = {"points.undo-requested", "points.undo"}
_OF_THE_ACCOUNT = {
    "customer.created", "customer.updated", "points.manual", "card.assign", *_REDEEMS, *_UNDOES,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event as it was sent, and what only the stage knows: when it was decided, and the game that it is about.

    `is_referrer_new`: who it names registered in this very step, and may not have been seen yet.
    """

    type: str
    data: Document
    at: datetime
    occurred_at: datetime
    game: Document | None = None
    is_referrer_new: bool = False
    says_unknown_referrer: bool = False


@dataclass(slots=True)
class Book:
    """`codes`: coupons by what customers type."""

    customers: dict[str, Customer] = field(default_factory=dict)
    purchases: dict[str, Purchase] = field(default_factory=dict)
    codes: dict[str, Coupon] = field(default_factory=dict)
    pools: Pools = field(default_factory=Pools)

    def of(self, customer_id: str) -> Customer:
        return self.customers.setdefault(customer_id, Customer(customer_id))

    def decide(self, told: Told, rules: Rules | None) -> Said:
        """What comes of the event; None: no program is in force."""
        customer = self.of(told.data["customer_id"])
        if rules is None:
            return self._without_program(told, customer)
        turn = Turn(rules, customer, told.at, told.occurred_at, self.customers.values(), self.pools)
        match told.type:
            case "order.placed":
                orders.placed(turn, told.data, self.purchases, self.codes.get)
            case "order.cancelled" | "order.refunded":
                self._reversed(turn, told)
            case "customer.created" | "customer.updated":
                self._described(turn, told)
            case "customer.event":
                self._did(turn, told.data)
            case "referral.completed":
                self._brought(turn, told.data["friend_id"])
            case "customer.birthday":
                turn.set_off("birthday", {"year": told.data["year"]}, [], set())
                turn.refer("birthday", {"year": told.data["year"]})
            case "points.manual":
                self._booked(customer, told, rules)
            case "card.assign":
                self._hand_over(turn, told.data["card_id"])
            case kind if kind in _REDEEMS | _UNDOES:
                turn.said.reason = self._redeemed(turn, told)
            case "game.completed" if told.game is not None:
                metadata = {
                    **told.game,
                    "result": told.data["result"],
                    "score": told.data.get("score"),
                }
                turn.set_off("game_completed", metadata, [], set())
                turn.refer("game_completed", metadata)
        turn.settle_tier()
        return turn.said

    def _without_program(self, told: Told, customer: Customer) -> Said:
        """A profile is kept; a reversal closes its order, whatever it says of amounts.

        What looks at the customer's account ends what is over in it, as under a program; nothing else looks there.
        """
        if told.type in _OF_THE_ACCOUNT:
            customer.account.end(told.at)
        if told.type in {"customer.created", "customer.updated"}:
            self._describe(customer, told)
        elif told.type in {"order.cancelled", "order.refunded"}:
            customer.cancelled.add(told.data["order_id"])
        elif told.type == "points.manual":
            self._booked(customer, told, None)
        elif told.type == "card.assign":
            customer.card = told.data["card_id"]
        elif told.type in _REDEEMS:
            return Said(reason="rule_inactive")
        elif told.type in _UNDOES:
            return Said(reason="not_a_redemption")
        return Said()

    def _booked(self, customer: Customer, told: Told, rules: Rules | None) -> None:
        """Points by hand, which end by the shortest of what there is to say."""
        points, account = told.data["points"], customer.account
        if points < 0:
            account.spend(-points)
            return
        ends = [
            told.data["ends_at"],
            rules.points_end(customer.card, told.at) if rules is not None else None,
        ]
        account.earn(points, 0, min((each for each in ends if each is not None), default=None))

    def _redeemed(self, turn: Turn, told: Told) -> str | None:
        if told.type in _UNDOES:
            return redemptions.undo(turn, told.data["coupon_id"])
        return redemptions.redeem(turn, told.data["rule_id"], told.data["points"])

    def _reversed(self, turn: Turn, told: Told) -> None:
        refunded = told.data.get("refunded_total") if told.type == "order.refunded" else None
        amount: Fraction | None = None if refunded is None else abs(number(refunded))
        orders.reversed_(turn, told.data["order_id"], amount, self.purchases)

    def _describe(self, customer: Customer, told: Told) -> tuple[bool, Any]:
        """Whether it registers, and what became of the referrer that it names."""
        data = told.data
        if "tags" in data:
            customer.tags = set(data["tags"] or ())
        if "locale" in data:
            customer.locale = data["locale"]
        if "attributes" in data:
            customer.attributes = data["attributes"] or {}
        if told.type == "customer.updated" or customer.registered:
            return False, None
        referrer = data.get("referred_by")
        outcome = None
        if referrer is not None:
            is_unknown = not self.of(referrer).registered
            if told.is_referrer_new:
                is_unknown = told.says_unknown_referrer
            why = (
                "self_referral"
                if referrer == customer.id
                else "unknown_referrer"
                if is_unknown
                else None
            )
            outcome = ("set" if why is None else "refused", why, referrer)
            customer.referred_by = referrer if why is None else None
        customer.registered = True
        return True, outcome

    def _described(self, turn: Turn, told: Told) -> None:
        customer, rules = turn.customer, turn.rules
        registers, turn.said.referral = self._describe(customer, told)
        if not registers:
            return
        turn.tags = set(customer.tags)
        if rules.card(customer.card) is None and (card_id := rules.card_for_new()) is not None:
            self._hand_over(turn, card_id)
        metadata = {**customer.attributes, "locale": customer.locale}
        turn.set_off("sign_up", metadata, [], set())
        turn.refer("sign_up", metadata)

    def _hand_over(self, turn: Turn, card_id: int | None) -> None:
        customer, card = turn.customer, turn.rules.card(card_id) or {}
        if card_id == customer.card:
            return
        customer.card = card_id
        if card_id is None:
            return
        bonus = card.get("initial_bonus_points") or 0
        if (
            bonus
            and card.get("points_enabled") is not False
            and card_id not in customer.bonus_cards
        ):
            customer.bonus_cards.add(card_id)
            turn.earn(bonus)

    def _did(self, turn: Turn, data: Document) -> None:
        metadata = data.get("metadata") or {}
        card = turn.rules.card(turn.customer.card)
        if (
            data["name"] == "visit"
            and card is not None
            and turn.rules.gives_points(card, as_number(metadata.get("shop_id")))
        ):
            turn.earn(card.get("points_per_visit") or 0)
        turn.set_off(data["name"], metadata, [], set())
        turn.refer(data["name"], metadata)

    def _brought(self, turn: Turn, friend_id: str) -> None:
        """One friend more, by the rules of now."""
        account, rules = turn.customer.account, turn.rules.referrals
        account.referrals += 1
        if rules.get("referralMethod") is None:
            return
        rewards = [rules["customerReward"]]
        extra = rules["extraReward"]
        if extra is not None and account.referrals % extra["forEvery"] == 0:
            rewards.append(extra)
        points, score = (sum(each[name] for each in rewards) for name in ("point", "score"))
        coupons = [each["coupon"] for each in rewards if each["coupon"] is not None]
        turn.give(down(Fraction(points)), score, coupons, ("referral", friend_id))
