"""Who a customer is: a family of the customer's state, and its effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import date, datetime
from typing import Any, assert_never

from services.domain.values import quickly_made, replaced


@quickly_made(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of a customer. `registered_at` is None until `customer.created` was decided.

    `referred_by` is set at registration only; `referral_done`: the referral has been completed, once for ever.
    `bonus_cards`: cards whose initial bonus the customer has had.
    """

    registered_at: datetime | None = None
    tags: frozenset[str] = frozenset()
    birthday: date | None = None
    locale: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    referred_by: str | None = None
    referral_done: bool = False
    card_id: int | None = None
    card_since: datetime | None = None
    bonus_cards: frozenset[int] = frozenset()

    @property
    def is_registered(self) -> bool:
        return self.registered_at is not None


UNKNOWN = Profile()


@quickly_made(frozen=True, slots=True, kw_only=True)
class Describe:
    """What a customer told of themselves: the profile after it. `registers`: for the first time."""

    profile: Profile
    registers: bool = False


@quickly_made(frozen=True, slots=True, kw_only=True)
class HoldCard:
    """The customer holds this card from now on, and no other; None: none."""

    card_id: int | None
    at: datetime
    brings_bonus: bool = False


@quickly_made(frozen=True, slots=True, kw_only=True)
class CompleteReferral:
    """The referral of this customer is completed: the referrer is told by an event of ours."""

    referrer_id: str


ProfileEffect = Describe | HoldCard | CompleteReferral


def after(profile: Profile, effect: ProfileEffect) -> Profile:
    """The profile after one effect."""
    match effect:
        case Describe():
            return effect.profile
        case HoldCard():
            bonus = (
                {effect.card_id} if effect.brings_bonus and effect.card_id is not None else set()
            )
            return replaced(
                profile,
                card_id=effect.card_id,
                card_since=None if effect.card_id is None else effect.at,
                bonus_cards=profile.bonus_cards | bonus,
            )
        case CompleteReferral():
            return replaced(profile, referral_done=True)
        case _:
            assert_never(effect)


def laid_over(stored: Profile, changes: Profile) -> Profile:
    """What is stored, or what it has been changed to as a whole."""
    return stored if changes == UNKNOWN else changes
