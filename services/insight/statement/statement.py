"""A customer's statement: what is stored, as the rules say that it stands at this instant.

What is over by now has ended, whether or not anybody has recorded it; the tier is the one that progress reaches by the
program of now. The document is what `--json` prints, and what people are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import asyncpg

from services.adapters.postgres.coupon_terms import stored_terms
from services.adapters.postgres.stored_program import program_from
from services.domain.campaigns import ANY_NUMBER, ineligible
from services.domain.coupons.codes import ending
from services.domain.coupons.coupon import Coupon
from services.domain.coupons.lifecycle import settle
from services.domain.course import Course
from services.domain.partner_program import PartnerProgram
from services.domain.tiers import Tier, progress_by, tier_after
from services.domain.triggering import standpoint
from services.insight.statement.stored import Stored


def statement(stored: Stored) -> dict[str, Any]:
    """All of it. Points are whole numbers, money decimals; lots and entries in the order in which they are taken."""
    program = program_from(stored.program)
    # It begins no decision: it has ended what is over.
    course = Course(program, stored.state, at=stored.at, draws=())
    wallet, profile = course.state.wallet, course.state.profile
    settings = stored.program.sections.get("settings", {})
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
            "worth": program.worth_of(wallet.balance, profile),
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
        "tier": _tier(program, course),
        "campaigns": list(_campaigns(program, course)),
        "coupons": [_coupon(coupon, reward, stored) for coupon, reward in stored.coupons],
        "entries": [_entry(row) for row in reversed(stored.entries)],
    }


def _tier(program: PartnerProgram, course: Course) -> dict[str, Any]:
    """Where progress has come to, and what is missing to the tier after it."""
    progress = progress_by(program.tier_method, course.state.wallet)
    following = tier_after(program.tiers, progress)
    return {
        "current": _of(course.tier),
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


def _campaigns(program: PartnerProgram, course: Course) -> Iterator[dict[str, Any]]:
    """Those there are now, by id. `refused`: why the customer cannot achieve it now, null if nothing is against it."""
    view = standpoint(course, course.at)
    for campaign in program.campaigns:
        progress = course.state.campaigns.of(campaign.id)
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
        "code_ends": ending(coupon.shown_code),
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
