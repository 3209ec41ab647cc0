"""`/customers/{customerId}`: who a customer is, what they have, and in which tier."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query

from schemas.gameball_v4.customer_answers import ShownBalance, ShownCustomer, ShownTierProgress
from schemas.gameball_v4.shown import in_language
from schemas.gameball_v4.values import shown_moment
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.gameball_v4.accounts import Account, known_account
from services.api.gameball_v4.call import Writing
from services.api.gameball_v4.description import gives
from services.api.gameball_v4.documents import shown
from services.api.gameball_v4.friends import friends_of
from services.api.gameball_v4.parameters import CustomerOfPath, Lang
from services.domain.tiers import Tier, progress_by, tier_after

router = Router(prefix="/api/v4/integrations/customers/{customerId}", tags=["customers"])

_EXPANDED = "(tier|referrals)"


async def _account(call: Writing, customer_id: CustomerOfPath) -> Account:
    async with call.reading() as connection:
        return await known_account(connection, call, customer_id)


Asked = Annotated[Account, Depends(_account)]


@router.get("", responses=gives(200, ShownCustomer, "The customer."))
async def show_customer(account: Asked) -> Reply:
    """Show who a customer is."""
    profile, card = account.state.profile, account.card
    birthday = profile.birthday
    return shown(
        {
            "customerId": account.customer_id,
            "isRegistered": profile.is_registered,
            "tags": sorted(profile.tags),
            "dateOfBirth": None if birthday is None else birthday.isoformat(),
            "preferredLanguage": profile.locale,
            "referredBy": profile.referred_by,
            "cardId": None if card is None else card.id,
        }
    )


@router.get("/balance", responses=gives(200, ShownBalance, "The balance."))
async def show_balance(
    call: Writing,
    customer_id: CustomerOfPath,
    lang: Lang,
    expand: Annotated[
        str | None, Query(pattern=f"^{_EXPANDED}(,{_EXPANDED})*$", description="What to add.")
    ] = None,
) -> Reply:
    """Show what a customer has, what it is worth, and what ends next. All of it can be used: nothing is pending.

    `expand=tier,referrals` adds what `/tier-progress` and the first page of `/referrals` show.
    """
    wanted = frozenset(expand.split(",")) if expand is not None else frozenset()
    more: dict[str, Any] = {}
    async with call.reading() as connection:
        account = await known_account(connection, call, customer_id)
        if "tier" in wanted:
            more["tier"] = _tier_progress(account, lang)
        if "referrals" in wanted:
            more["referrals"] = await friends_of(connection, account)
    return shown(_balance(account) | more)


def _balance(account: Account) -> dict[str, Any]:
    wallet = account.state.wallet
    ending = [lot for lot in wallet.open_lots() if lot.expires_at is not None]
    next_at = min((lot.expires_at for lot in ending if lot.expires_at is not None), default=None)
    next_amount = sum(lot.left for lot in ending if lot.expires_at == next_at)
    value = account.worth_of(wallet.balance)
    return {
        "totalPointsBalance": wallet.balance,
        "totalPointsValue": value,
        "availablePointsBalance": wallet.balance,
        "availablePointsValue": value,
        "pendingPoints": 0,
        "pendingPointsValue": 0,
        "currency": account.program.currency,
        "pointsName": account.sections.get("settings", {}).get("pointsName", "Points"),
        "nextExpiringPointsAmount": next_amount,
        "nextExpiringPointsValue": account.worth_of(next_amount),
        "nextExpiringPointsDate": None if next_at is None else shown_moment(next_at),
        "totalEarnedPoints": wallet.points_earned,
        "score": wallet.score,
        "pointsOwed": wallet.owed,
    }


@router.get("/tier-progress", responses=gives(200, ShownTierProgress, "The tiers."))
async def show_tier_progress(account: Asked, lang: Lang) -> Reply:
    """Show a customer's tier, the next one, and how far they have come."""
    return shown(_tier_progress(account, lang))


def _tier_progress(account: Account, lang: str | None) -> dict[str, Any]:
    program = account.program
    progress = progress_by(program.tier_method, account.state.wallet)
    current = account.course.tier_now()
    return {
        "current": _tier(account, current, lang),
        "next": _tier(account, tier_after(program.tiers, progress), lang),
        "progress": progress,
        "method": str(program.tier_method),
    }


def _tier(account: Account, tier: Tier | None, lang: str | None) -> dict[str, Any] | None:
    if tier is None:
        return None
    stored = next(each for each in account.sections["tiers"] if each["id"] == tier.id)
    return {
        "id": tier.id,
        "order": tier.order,
        "name": in_language(stored, lang)["name"],
        "minProgress": tier.min_progress,
        "icon": stored.get("icon"),
    }
