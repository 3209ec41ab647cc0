"""What registering brings: a card to who has none, its bonus, campaigns, a referral."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.domain.points.earning import CardRules
from services.domain.profiles import Profile
from services.domain.referrals import ReferralRules, RewardReferral, Role
from services.domain.state import NEW_CUSTOMER
from services.domain.triggers import Trigger
from tests.stand.small_shop import BASE, SmallShop


@pytest.mark.parametrize(
    ("held", "card_id", "balance"),
    [(None, 2, 5), (2, 2, 0), (3, 3, 0), (1, 2, 5)],
    ids=["none", "the same", "another", "one that was deleted"],
)
def test_card_is_given_to_who_has_none(held: int | None, card_id: int, balance: int) -> None:
    """Whatever card was given by hand before stays, unless it has been deleted since: then it is nobody's."""
    cards = {id_: CardRules(id=id_, initial_bonus=5) for id_ in (2, 3)}
    shop = SmallShop(program=replace(BASE, cards=cards))
    shop.states["anna"] = replace(NEW_CUSTOMER, profile=Profile(card_id=held))
    shop.register("anna")
    assert shop.state().profile.card_id == card_id
    assert shop.wallet().balance == balance


@pytest.mark.parametrize("rules", [ReferralRules(trigger=Trigger(event_name="look")), None], ids=["nothing", "off"])  # fmt: skip
def test_referrer_is_told_of_every_friend(rules: ReferralRules | None) -> None:
    """A friend who gets nothing is not told of; the referrer counts one more, and is told that it brought nothing."""
    shop = SmallShop(program=replace(BASE, referrals=ReferralRules(trigger=Trigger(event_name="look"))))  # fmt: skip
    shop.register("anna")
    shop.register("bert", referred_by="anna")
    shop.did("look", customer="bert")
    assert not [one for one in shop.decisions[-1].effects if isinstance(one, RewardReferral)]
    shop.program = replace(shop.program, referrals=rules)
    shop.friend_came("bert")
    (told,) = [one for one in shop.decisions[-1].effects if isinstance(one, RewardReferral)]
    assert (told.role, told.referrals, told.points, told.coupon_ids) == (Role.CUSTOMER, 1, 0, ())
    assert shop.wallet().referrals == 1
