"""`/customers/{customerId}/reward-campaigns-progress`: how far a customer has come in each campaign."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from fastapi import Query

from schemas.gameball_v4.campaigns import EVENT_OF_TYPE, TYPES
from schemas.gameball_v4.customer_answers import ShownCampaignProgress
from schemas.gameball_v4.shown import shown_campaign
from schemas.gameball_v4.values import MAX_ITEM_ID
from services.api.edge.parameters import Whole
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.gameball_v4.accounts import is_unlocked, known_account, open_campaigns
from services.api.gameball_v4.call import Writing
from services.api.gameball_v4.description import gives
from services.api.gameball_v4.documents import shown
from services.api.gameball_v4.parameters import CustomerOfPath, Lang
from services.domain.campaigns import ANY_NUMBER, Campaign, Progress
from services.domain.exact import quotient
from services.domain.triggers import GAME_COMPLETED

router = Router(
    prefix="/api/v4/integrations/customers/{customerId}/reward-campaigns-progress",
    tags=["customers"],
)

Kind = Literal[
    "reward", "game", "SignUp", "Birthday", "Spin The Wheel", "HighScore", "Reward Campaign", "SocialMedia",
    "EventBased", "ScheduledChallenge",
]  # fmt: skip
_GAMES: Final = frozenset(
    type_ for type_, event in EVENT_OF_TYPE.items() if event == GAME_COMPLETED
)
TYPES_OF_KIND: Final = {
    "game": _GAMES,
    "reward": frozenset(TYPES) - _GAMES,
    **{type_: frozenset({type_}) for type_ in TYPES},
}
"""The types that a filter leaves: those won in games, the others, or one by its name."""
_HUNDRED: Final = Decimal(100)


@router.get("", responses=gives(200, list[ShownCampaignProgress], "Campaigns."))
async def list_campaign_progress(
    call: Writing,
    customer_id: CustomerOfPath,
    lang: Lang,
    campaign_id: Annotated[
        int | None, Query(alias="campaignId", ge=1, le=MAX_ITEM_ID), Whole
    ] = None,
    kind: Annotated[Kind | None, Query(alias="campaignType")] = None,
) -> Reply:
    """List how far a customer has come in each campaign, in the order of their ids; none of an id that is not there."""
    async with call.reading() as connection:
        account = await known_account(connection, call, customer_id)
    open_, rules = open_campaigns(account), {each.id: each for each in account.program.campaigns}
    rows: list[dict[str, Any]] = []
    for defined in account.known.sections.campaigns:
        if campaign_id not in (None, defined.id):
            continue
        if kind is not None and defined.type not in TYPES_OF_KIND[kind]:
            continue
        assert defined.id is not None, "every stored item has its id"
        campaign, as_shown = rules[defined.id], shown_campaign(defined, lang)
        progress = account.state.campaigns.of(defined.id)
        rows.append(
            {
                "rewardsCampaignName": as_shown["name"],
                "rewardsCampaignId": defined.id,
                "isUnlocked": is_unlocked(account, campaign),
                "completionPercentage": _percentage(campaign, progress),
                "achievedCount": progress.achieved,
                "canAchieve": defined.id in open_,
                "rewardCampaignConfiguration": as_shown,
            }
        )
    return shown(rows)


def _percentage(campaign: Campaign, progress: Progress) -> Decimal:
    """Of the steps that the next achievement takes, half up to two places; all of it where none can follow.

    A count that was lowered since may have been passed already.
    """
    most = campaign.max_achievement
    if most != ANY_NUMBER and progress.achieved >= most:
        return _HUNDRED
    done = quotient((progress.steps, _HUNDRED), (campaign.trigger.count,)).half_up(2)
    return min(done, _HUNDRED)
