"""`/redemption/rule` and `/redemption/config/rule/{ruleId}`: list, add, show, change, remove."""

from __future__ import annotations

from typing import Annotated

import asyncpg
from fastapi import Path

from schemas.gameball_v3.answers import ShownRule
from schemas.gameball_v3.rules import delete_rule, is_default, post_rule, put_rule
from schemas.gameball_v4.changing import TooMany
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.reading import storable
from schemas.gameball_v4.redemption import DefaultRule, RedemptionRule
from schemas.gameball_v4.values import MAX_ITEM_ID
from services.adapters.postgres.clock import clock
from services.api.edge.call import Call
from services.api.edge.description import KEYED, takes
from services.api.edge.parameters import Whole
from services.api.edge.problems import not_found
from services.api.edge.reply import Reply
from services.api.edge.router import Router
from services.api.gameball_v3.call import Calling
from services.api.gameball_v3.description import gives
from services.api.gameball_v3.shown_rules import rule_document, rule_documents
from services.api.gameball_v4 import sections
from services.api.gameball_v4.documents import sent_object, shown
from services.api.gameball_v4.failures import Refusal
from services.api.gameball_v4.programs import program_of
from services.api.gameball_v4.shown_rules import exhausted_groups
from services.decisions.program_changes import Changed

router = Router(prefix="/api/v3/integrations/client/redemption", tags=["redemption-rules"])

RuleId = Annotated[int, Path(alias="ruleId", ge=1, le=MAX_ITEM_ID), Whole]


@router.get("/rule", responses=gives(200, list[ShownRule], "The rules."))
async def list_rules(call: Calling) -> Reply:
    """List all rules but the default one, the oldest first."""
    async with call.reading() as connection:
        now = (await program_of(connection, call)).sections
        at = await clock(connection, call.api.manner.clock_offset)
        exhausted = await exhausted_groups(connection, call.partner_id, now)
    return shown(rule_documents(now, at, exhausted))


@router.post(
    "/rule",
    status_code=201,
    responses=gives(201, ShownRule, "The new rule.", 400, 409),
    openapi_extra=takes(RedemptionRule),
)
async def add_rule(call: Calling) -> Reply:
    """Add a rule."""
    sent = await sent_object(call)

    def edit(now: Sections) -> Sections:
        try:
            return post_rule(now, sent)
        except TooMany:
            raise Refusal("limit_reached") from None

    async def answer(connection: asyncpg.Connection, made: Changed) -> Reply:
        return await _shown(connection, call, made, _id_of_last(made), 201)

    def entry(made: Changed) -> sections.Entry:
        return _entry("redemption_rule.created", made, _id_of_last(made))

    return await sections.changed_and_looked_up(call, edit, answer, entry)


@router.get("/rule/{ruleId}", responses=gives(200, ShownRule | DefaultRule, "The rule."))
async def show_rule(call: Calling, rule_id: RuleId) -> Reply:
    """Show a rule; by its id the default one too."""
    async with call.reading() as connection:
        now = (await program_of(connection, call)).sections
        at = await clock(connection, call.api.manner.clock_offset)
        exhausted = await exhausted_groups(connection, call.partner_id, now)
    return shown(rule_document(now, rule_id, at, exhausted))


@router.put(
    "/config/rule/{ruleId}",
    responses=gives(200, ShownRule | DefaultRule, "The rule as it is now.", 400, 409),
    openapi_extra=takes(RedemptionRule, partly=True),
)
async def change_rule(call: Calling, rule_id: RuleId) -> Reply:
    """Change the fields that are given, to any depth, leave the others; by its id the default rule's too."""
    sent = await sent_object(call)

    def edit(now: Sections) -> Sections:
        return _there(put_rule(now, rule_id, sent))

    async def answer(connection: asyncpg.Connection, made: Changed) -> Reply:
        return await _shown(connection, call, made, rule_id)

    def entry(made: Changed) -> sections.Entry:
        return _entry("redemption_rule.updated", made, rule_id)

    return await sections.changed_and_looked_up(call, edit, answer, entry)


@router.delete(
    "/config/rule/{ruleId}", responses=gives(200, bool, "True.", 409), openapi_extra=KEYED
)
async def remove_rule(call: Calling, rule_id: RuleId) -> Reply:
    """Remove a rule: nobody redeems by it any more, and what it brought stays. The default rule cannot be removed."""

    def edit(now: Sections) -> Sections:
        if is_default(now, rule_id):
            raise Refusal("default_rule")
        return _there(delete_rule(now, rule_id))

    return await sections.changed(
        call,
        edit,
        lambda made: shown(True),
        lambda made: _entry("redemption_rule.deleted", made, rule_id),
    )


def _there(after: Sections | None) -> Sections:
    if after is None:
        raise not_found("ruleId")
    return after


async def _shown(
    connection: asyncpg.Connection, call: Call, made: Changed, rule_id: int, status: int = 200
) -> Reply:
    at = await clock(connection, call.api.manner.clock_offset)
    exhausted = await exhausted_groups(connection, call.partner_id, made.after)
    return shown(rule_document(made.after, rule_id, at, exhausted), status)


def _id_of_last(made: Changed) -> int:
    last = made.after.redemption.rules[-1].id
    assert last is not None, "every stored item has its id"
    return last


def _entry(action: str, made: Changed, rule_id: int) -> sections.Entry:
    before, after = (_rule(each, rule_id) for each in (made.before, made.after))
    return sections.Entry(
        action=action,
        subject_id=rule_id,
        before=None if before is None else storable(before),
        after=None if after is None else storable(after),
    )


def _rule(now: Sections, rule_id: int) -> RedemptionRule | DefaultRule | None:
    if is_default(now, rule_id):
        return now.redemption.default_rule
    return now.redemption.rule(rule_id)
