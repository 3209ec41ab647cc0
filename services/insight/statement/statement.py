"""A customer's statement: what is stored, as the rules say that it stands at this instant.

What is over by now has ended, whether or not anybody has recorded it; the tier is the one that progress reaches by the
program of now. The document is what `--json` prints, and what people are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import asyncpg

from services.adapters.postgres.coupon_terms import stored_terms
from services.adapters.postgres.stored_program import program_from
from services.domain.campaigns import ANY_NUMBER, Standpoint, ineligible
from services.domain.coupons.coupon import Coupon
from services.domain.coupons.lifecycle import settle
from services.domain.exact import minor_digits
from services.domain.partner_program import PartnerProgram
from services.domain.points.earning import worth
from services.domain.points.ledger import ended
from services.domain.points.wallet import Wallet, after
from services.domain.profiles import Profile
from services.domain.tiers import Tier, progress_by, tier_at
from services.insight.statement.stored import Stored


def statement(stored: Stored) -> dict[str, Any]:
    """All of it. Points are whole numbers, money decimals; lots and entries in the order in which they are taken."""
    program = program_from(stored.program)
    wallet = _now(stored)
    settings = stored.program.sections.get("settings", {})
    profile = stored.profile
    return {
        "partner_id": program.partner_id,
        "partner": stored.partner,
        "customer_id": stored.customer_id,
        "at": stored.at,
        "program_version": program.version,
        "registered_at": profile.registered_at,
        "tags": sorted(profile.tags),
        "birthday": profile.birthday,
        "locale": profile.locale,
        "card": None
        if stored.card is None
        else {"id": profile.card_id, "title": stored.card, "since": profile.card_since},
        "referred_by": profile.referred_by,
        "balance": {
            "points": wallet.balance,
            "worth": _worth(wallet.balance, program, profile),
            "currency": program.currency,
            "points_name": settings.get("pointsName", "Points"),
            "owed": wallet.owed,
        },
        "lots": [
            {
                "number": lot.number,
                "source": {"kind": lot.source.kind, "id": lot.source.id},
                "earned_at": lot.earned_at,
                "expires_at": lot.expires_at,
                "amount": lot.amount,
                "left": lot.left,
            }
            for lot in wallet.open_lots()
        ],
        "meters": {
            "points_earned": wallet.points_earned,
            "score": wallet.score,
            "spent": wallet.spent,
            "orders": wallet.orders,
            "referrals": wallet.referrals,
        },
        "tier": _tier(program, wallet),
        "campaigns": list(_campaigns(stored, program, wallet)),
        "coupons": [_coupon(coupon, reward, stored) for coupon, reward in stored.coupons],
        "entries": [_entry(row) for row in reversed(stored.entries)],
    }


def _worth(points: int, program: PartnerProgram, profile: Profile) -> Decimal:
    """By the default rule, which goes by the card's rate where the card held has one."""
    places = minor_digits(program.currency)
    card = program.cards.get(profile.card_id) if profile.card_id is not None else None
    money = card.currency_amount_redemption if card is not None else None
    per = card.points_per_currency_redemption if card is not None else None
    if money and per:
        return worth(points, money, places, per=per)
    return worth(points, program.value_of_point, places)


def _now(stored: Stored) -> Wallet:
    wallet = stored.wallet
    for entry in ended(wallet, stored.at):
        wallet = after(wallet, entry)
    return wallet


def _tier(program: PartnerProgram, wallet: Wallet) -> dict[str, Any]:
    """Where progress has come to, and what is missing to the tier after it."""
    progress = progress_by(program.tier_method, wallet)
    following = next((tier for tier in program.tiers if tier.min_progress > progress), None)
    return {
        "current": _of(tier_at(program.tiers, progress)),
        "next": _of(following),
        "progress": progress,
        "missing": None if following is None else following.min_progress - progress,
        "method": program.tier_method,
    }


def _of(tier: Tier | None) -> dict[str, Any] | None:
    if tier is None:
        return None
    return {
        "id": tier.id, "order": tier.order, "name": tier.name, "min_progress": tier.min_progress,
    }  # fmt: skip


def _campaigns(stored: Stored, program: PartnerProgram, wallet: Wallet) -> Iterator[dict[str, Any]]:
    """Those there are now, by id. `refused`: why the customer cannot achieve it now, null if nothing is against it."""
    tier = tier_at(program.tiers, progress_by(program.tier_method, wallet))
    view = Standpoint(
        occurred_at=stored.at,
        tier_order=tier.order if tier is not None else 1,
        tags=stored.profile.tags,
    )
    for campaign in program.campaigns:
        progress = stored.campaigns.of(campaign.id)
        most = campaign.max_achievement
        yield {
            "id": campaign.id,
            "name": campaign.name,
            "type": campaign.type,
            "achieved": progress.achieved,
            "max_achievement": None if most == ANY_NUMBER else most,
            "steps": progress.steps,
            "count": campaign.trigger.count,
            "refused": ineligible(campaign, view, progress.achieved),
        }


def _coupon(coupon: Coupon, reward: str | None, stored: Stored) -> dict[str, Any]:
    """By the last symbols of its code: enough to tell it from others, not enough to use it."""
    coupon = settle(coupon, stored.at).coupon
    source, terms = coupon.source, coupon.terms
    return {
        "coupon_id": coupon.id,
        "code_ends": coupon.code[-4:],
        "source": {"kind": "game", "id": str(coupon.game_id)}
        if source is None
        else {"kind": source.kind, "id": source.id},
        "reward": reward,
        "terms": None if terms is None else stored_terms(terms),
        "status": coupon.status,
        "issued_at": coupon.issued_at,
        "expires_at": coupon.expires_at,
        "used_count": coupon.used_count,
    }


def _entry(row: asyncpg.Record) -> dict[str, Any]:
    """One row of the ledger, what it moves with its sign."""
    return {
        "number": row["number"],
        "at": row["at"],
        "kind": row["kind"],
        "source": {"kind": row["source_kind"], "id": row["source_id"]},
        "points": row["points"],
        "balance": row["balance"],
        "owed": row["owed"],
        "score": row["score"],
        "spent": row["spent"],
        "expires_at": row["expires_at"],
        "reason": row["reason"],
        "event_id": row["event_id"],
    }
