"""`/configurations/reward-campaigns`: list, add, show, change, remove."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query

from schemas.gameball_v4.answers import ShownCampaign
from schemas.gameball_v4.campaigns import Campaign
from schemas.gameball_v4.changing import TooMany, delete_campaign, post_campaign, put_campaign
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.reading import storable
from schemas.gameball_v4.shown import applies_to_lines, shown_campaign
from schemas.gameball_v4.values import MAX_ITEM_ID
from services.api.edge.description import KEYED, takes
from services.api.edge.parameters import Whole
from services.api.edge.problems import not_found
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.gameball_v4 import sections
from services.api.gameball_v4.accounts import account_of, open_campaigns
from services.api.gameball_v4.call import Reading, Writing
from services.api.gameball_v4.description import READS, gives
from services.api.gameball_v4.documents import sent_object, shown
from services.api.gameball_v4.failures import Refusal
from services.api.gameball_v4.parameters import CustomerAsked, Lang
from services.decisions.program_changes import Changed

router = Router(
    prefix="/api/v4/integrations/configurations/reward-campaigns", tags=["reward-campaigns"]
)

CampaignId = Annotated[int, Path(ge=1, le=MAX_ITEM_ID), Whole]
Bought = Annotated[str | None, Query(description="Only campaigns on orders that this is among.")]


@router.get("", responses=gives(200, list[ShownCampaign], "Campaigns."), openapi_extra=READS)
async def list_campaigns(
    call: Reading,
    lang: Lang,
    customer_id: CustomerAsked = None,
    collection_id: Annotated[Bought, Query(alias="collectionId")] = None,
    product_sku: Annotated[Bought, Query(alias="productSku")] = None,
) -> Reply:
    """List campaigns in the order of their ids; of a customer those that they can achieve now."""
    open_ = None
    if customer_id is None:
        _, now = await sections.read(call)
    else:
        async with call.reading() as connection:
            account = await account_of(connection, call, customer_id)
        now, open_ = account.known.sections, open_campaigns(account)
    return shown(
        [
            shown_campaign(campaign, lang)
            for campaign in now.campaigns
            if applies_to_lines(campaign, collection_id=collection_id, product_sku=product_sku)
            and (open_ is None or campaign.id in open_)
        ]
    )


@router.post(
    "",
    status_code=201,
    responses=gives(201, ShownCampaign, "The new campaign.", 400, 409),
    openapi_extra=takes(Campaign),
)
async def add_campaign(call: Writing, lang: Lang) -> Reply:
    """Add a campaign."""
    sent = await sent_object(call)

    def edit(now: Sections) -> Sections:
        try:
            return post_campaign(now, sent)
        except TooMany:
            raise Refusal("limit_reached") from None

    def entry(made: Changed) -> sections.Entry:
        return _entry("campaign.created", made, _id_of_last(made))

    return await sections.changed(
        call, edit, lambda made: shown(_shown(made.after, _id_of_last(made), lang), 201), entry
    )


@router.get(
    "/{campaign_id}", responses=gives(200, ShownCampaign, "The campaign."), openapi_extra=READS
)
async def show_campaign(call: Reading, campaign_id: CampaignId, lang: Lang) -> Reply:
    """Show a campaign."""
    _, now = await sections.read(call)
    return shown(_shown(now, campaign_id, lang))


@router.put(
    "/{campaign_id}",
    responses=gives(200, ShownCampaign, "The campaign as it is now.", 400, 409),
    openapi_extra=takes(Campaign, partly=True),
)
async def change_campaign(call: Writing, campaign_id: CampaignId, lang: Lang) -> Reply:
    """Change the fields that are given, to any depth, leave the others."""
    sent = await sent_object(call)

    def edit(now: Sections) -> Sections:
        return _there(put_campaign(now, campaign_id, sent))

    return await sections.changed(
        call,
        edit,
        lambda made: shown(_shown(made.after, campaign_id, lang)),
        lambda made: _entry("campaign.updated", made, campaign_id),
    )


@router.delete("/{campaign_id}", responses=gives(200, bool, "True.", 409), openapi_extra=KEYED)
async def remove_campaign(call: Writing, campaign_id: CampaignId) -> Reply:
    """Remove a campaign: nobody achieves it any more, and what it brought stays."""

    def edit(now: Sections) -> Sections:
        return _there(delete_campaign(now, campaign_id))

    return await sections.changed(
        call,
        edit,
        lambda made: shown(True),
        lambda made: _entry("campaign.deleted", made, campaign_id),
    )


def _there(after: Sections | None) -> Sections:
    if after is None:
        raise not_found("campaign_id")
    return after


def _shown(now: Sections, campaign_id: int, lang: str | None) -> dict[str, Any]:
    campaign = now.campaign(campaign_id)
    if campaign is None:
        raise not_found("campaign_id")
    return shown_campaign(campaign, lang)


def _id_of_last(made: Changed) -> int:
    last = made.after.campaigns[-1].id
    assert last is not None, "every stored item has its id"
    return last


def _entry(action: str, made: Changed, campaign_id: int) -> sections.Entry:
    before, after = made.before.campaign(campaign_id), made.after.campaign(campaign_id)
    return sections.Entry(
        action=action,
        subject_id=campaign_id,
        before=None if before is None else storable(before),
        after=None if after is None else storable(after),
    )
