"""A partner's program is changed: numbered, kept for ever, and one change after another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import asyncpg
import orjson
import pytest

from schemas.definitions import InvalidDefinition
from schemas.gameball_v4.changing import post_campaign, put_cashback, put_settings, put_tiers
from schemas.gameball_v4.files import loaded
from schemas.gameball_v4.program import Sections
from schemas.gameball_v4.redemption import Redemption, RedemptionRule, SecondFreeShipping
from schemas.partners.cards import read_card
from services.adapters.postgres.cards import delete_card, insert_card
from services.adapters.postgres.pool import API_ROLE, connect
from services.adapters.postgres.programs import program_version, program_versions, stored_programs
from services.adapters.postgres.stored_program import program_from
from services.decisions.program_changes import Changed, NoSuchPartner, change, sections_of
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.schemas.gameball_v4.samples import sections
from tests.stand.issuing import a_partner, blocked_by
from tests.stand.telling import ordered
from tests.stand.waiting import eventually

CAMPAIGN = {"name": "Join us", "type": "SignUp", "rewards": [{"walletReward": 100}]}
CARD = {
    "title": {"en": "Card", "lt": "Kortelė"}, "description": {}, "terms_conditions": {}, "card_design": {},
    "points_per_currency": Decimal("1.5"), "currency_amount": 10,
}  # fmt: skip


async def changed(
    connection: asyncpg.Connection, partner_id: int, edit: Callable[[Sections], Sections]
) -> Changed:
    async with connection.transaction():
        return await change(connection, partner_id, actor="operator", edit=edit)


def in_euros(now: Sections) -> Sections:
    return put_settings(now, {"currency": "EUR"})


def another(name: str) -> Callable[[Sections], Sections]:
    """A campaign of this name is added."""
    return lambda now: post_campaign(now, {**CAMPAIGN, "name": name})


async def current(database: asyncpg.Connection, partner_id: int) -> tuple[int, Sections]:
    """A program as it is: its version and its sections."""
    stored = (await stored_programs(database, [partner_id]))[partner_id]
    return stored.version, sections_of(stored)


async def test_every_partner_has_a_program_of_nothing(
    database: asyncpg.Connection, partner_id: int
) -> None:
    """At version 0, with all defaults, which compile to rules of nothing; a write that changes nothing leaves it there."""
    stored = (await stored_programs(database, [partner_id]))[partner_id]
    redemption = Redemption().with_default(stored.default_rule_id)
    fresh = Sections(time_zone="Europe/Vilnius", redemption=redemption)
    assert await current(database, partner_id) == (0, fresh)
    same = await changed(
        database, partner_id, lambda now: put_settings(now, {"pointsName": "Points"})
    )
    assert (same.version, same.changed) == (0, ())
    assert await program_versions(database, partner_id) == []
    program = program_from(stored)
    assert (stored.sections, program.version, program.campaigns, program.redemption_rules) == (
        {},
        0,
        (),
        {},
    )


async def test_default_rule_keeps_the_id_that_it_has_from_the_start(
    database: asyncpg.Connection, partner_id: int
) -> None:
    """Whatever is set first, and read back from any version; another partner's is another one."""
    id_ = (await current(database, partner_id))[1].redemption.default_rule.id
    other = await a_partner(database)
    assert id_ is not None
    assert (await current(database, other))[1].redemption.default_rule.id not in {None, id_}
    await changed(database, partner_id, in_euros)
    worth = {"redemption": {"defaultRule": {"valueOfPoint": Decimal("0.5")}}}
    await changed(database, partner_id, lambda now: loaded(now, worth).sections)
    for version, value in ((1, "0"), (2, "0.5")):
        stored = await program_version(database, partner_id, version)
        assert stored is not None
        rule = program_from(stored).redemption_rules[id_]
        assert (rule.is_default, rule.is_active, str(rule.value_of_point)) == (True, True, value)
    taken = {"id": id_, "pointsToRedeem": 5, "ruleType": "free_shipping_settings", "coupon": {}}
    with pytest.raises(
        InvalidDefinition, match=r"redemption\.rules\.0\.id: Is that of the default"
    ):
        loaded((await current(database, partner_id))[1], {"redemption": {"rules": [taken]}})


async def test_each_change_is_a_version_kept_for_ever(
    database: asyncpg.Connection, partner_id: int
) -> None:
    """With who made it and what it changed; each can be read as it was."""
    await changed(database, partner_id, in_euros)
    second = await changed(database, partner_id, lambda now: post_campaign(now, CAMPAIGN))
    assert (second.version, second.changed) == (2, ("campaigns",))
    assert second.after.campaigns[0].id is not None
    assert await current(database, partner_id) == (2, second.after)
    made = await program_versions(database, partner_id)
    assert [(each.version, each.actor, each.changed) for each in made] == [
        (1, "operator", ["settings"]), (2, "operator", ["campaigns"]),
    ]  # fmt: skip
    first = await program_version(database, partner_id, 1)
    assert first is not None
    assert "campaigns" not in first.sections
    assert await program_version(database, partner_id, 3) is None


async def test_whole_program_is_stored_and_read(
    database: asyncpg.Connection, partner_id: int
) -> None:
    """Everything that a program can have survives the database, and becomes rules."""
    whole = sections()
    made = await changed(database, partner_id, lambda _: whole)
    assert made.changed == (
        "settings", "tiers", "campaigns", "referrals", "cashback", "redemption", "couponGroups",
        "coupon",
    )  # fmt: skip
    assert await current(database, partner_id) == (1, whole)
    program = program_from((await stored_programs(database, [partner_id]))[partner_id])
    assert (program.version, len(program.campaigns), len(program.redemption_rules)) == (1, 8, 5)


async def test_refused_change_leaves_nothing(database: asyncpg.Connection, partner_id: int) -> None:
    """What an edit raises ends the change; nobody's program cannot be changed."""

    def broken(now: Sections) -> Sections:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await changed(database, partner_id, broken)
    with pytest.raises(NoSuchPartner):
        await changed(database, partner_id + 1, in_euros)
    assert (await current(database, partner_id))[0] == 0


async def test_id_of_an_item_that_is_gone_is_not_given_again(
    database: asyncpg.Connection, partner_id: int
) -> None:
    """Nor one below an id that a file has chosen: decisions name items by id for ever."""
    whole = sections()
    await changed(database, partner_id, lambda _: whole)
    await changed(database, partner_id, lambda now: replace(now, campaigns=()))
    again = await changed(database, partner_id, lambda now: post_campaign(now, CAMPAIGN))
    assert (again.after.campaigns[0].id or 0) > 34


async def test_tier_removed_takes_its_cashback_rule_along(
    database: asyncpg.Connection, partner_id: int
) -> None:
    """Both sections changed; a rule follows a tier that is renamed."""
    tiers = [
        {"name": "Basic", "minProgress": 0, "order": 1},
        {"name": "Gold", "minProgress": 9, "order": 2},
    ]
    made = await changed(database, partner_id, lambda now: put_tiers(now, tiers))
    rule = {"tierName": "Gold", "amountRewardThreshold": 1, "rewardWalletFactor": 3}
    await changed(
        database, partner_id, lambda now: put_cashback(now, {"tierCashbackRules": [rule]})
    )
    gold = made.after.tiers[1].id
    renamed = await changed(
        database,
        partner_id,
        lambda now: put_tiers(now, [tiers[0], {**tiers[1], "id": gold, "name": "Au"}]),
    )
    assert renamed.changed == ("tiers",)
    program = program_from((await stored_programs(database, [partner_id]))[partner_id])
    assert list(program.cashback_of) == [gold]
    removed = await changed(database, partner_id, lambda now: put_tiers(now, tiers[:1]))
    assert removed.changed == ("tiers", "cashback")


async def test_cards_and_zone_are_versions_of_a_program_that_is_set(
    database: asyncpg.Connection, partner_id: int
) -> None:
    """At version 0 they change the rules and no version; afterwards each change is one."""

    async def card() -> int:
        return (await insert_card(database, partner_id, read_card(CARD))).id

    async def stored() -> Any:
        return (await stored_programs(database, [partner_id]))[partner_id]

    first = await card()
    before = await stored()
    assert (before.version, before.revision > 1) == (0, True)
    rules = program_from(before).cards[first]
    assert (str(rules.points_per_currency), str(rules.currency_amount)) == ("1.5", "10")
    await changed(database, partner_id, in_euros)
    await card()
    await delete_card(database, partner_id, first)
    await database.execute("UPDATE partners SET time_zone = 'Asia/Tokyo' WHERE id = $1", partner_id)
    after = await stored()
    assert (after.version, after.time_zone, len(orjson.loads(after.cards))) == (4, "Asia/Tokyo", 1)
    made = await program_versions(database, partner_id)
    assert [each.changed for each in made] == [["settings"], ["cards"], ["cards"], ["time_zone"]]


async def test_changes_at_once_come_one_after_another(
    settings: Settings, database: asyncpg.Connection, partner_id: int
) -> None:
    """Twenty campaigns by five hands: each is there, no id twice, a version each."""

    async def add(hand: int) -> None:
        connection = await connect(settings, f"hand {hand}")
        try:
            for number in range(4):
                await changed(connection, partner_id, another(f"{hand}.{number}"))
        finally:
            await connection.close()

    await asyncio.gather(*(add(hand) for hand in range(5)))
    version, now = await current(database, partner_id)
    assert version == 20
    assert {campaign.name for campaign in now.campaigns} == {
        f"{h}.{n}" for h in range(5) for n in range(4)
    }
    assert len({campaign.id for campaign in now.campaigns}) == 20


async def test_change_waits_for_who_decides_and_is_worked_out_again(
    settings: Settings, database: asyncpg.Connection, partner_id: int
) -> None:
    """Whoever shares the row until their commit is waited for; what others changed meanwhile is not overwritten."""
    other = await connect(settings, "other")
    try:
        deciding = database.transaction()
        await deciding.start()
        await database.fetch("SELECT FROM programs WHERE partner_id = $1 FOR SHARE", partner_id)
        waiting = asyncio.create_task(
            changed(other, partner_id, lambda now: post_campaign(now, CAMPAIGN))
        )

        async def is_waiting() -> bool:
            return await blocked_by(database, database) == 1

        await eventually(is_waiting)
        await change(database, partner_id, actor="first", edit=in_euros)
        await deciding.commit()
        made = await waiting
        assert (made.version, made.before.settings.currency, len(made.after.campaigns)) == (
            2,
            "EUR",
            1,
        )
    finally:
        await other.close()


def earning(factor: int) -> Callable[[Sections], Sections]:
    """Orders earn so many points for each euro."""
    rule = {"amountRewardThreshold": 1, "rewardWalletFactor": factor}
    return lambda now: put_cashback(now, {"defaultCashbackRule": rule})


async def points_by_version(connection: asyncpg.Connection) -> list[tuple[int, int]]:
    """Of each decided order: the version that it names, and what it has earned."""
    rows = await connection.fetch(
        "SELECT d.program_version, p.points FROM decisions d JOIN purchases p USING (event_key)"
    )
    return [(row["program_version"], row["points"]) for row in rows]


async def test_batch_under_a_change_is_decided_by_what_is_true_at_its_commit(
    settings: Settings, database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """It has decided by the old version, meets the change in its last statement, and leaves nothing of the old one."""
    await changed(database, partner_id, earning(1))
    await pipeline.process([ordered("warm", "10", "warm", partner_id=partner_id)])
    changing = await connect(settings, "changing")
    try:
        async with changing.transaction():
            await change(changing, partner_id, actor="operator", edit=earning(3))
            batch = asyncio.create_task(
                pipeline.process([ordered("o-1", "10", partner_id=partner_id)])
            )
            await eventually(lambda: blocked_by(changing, database), "the batch asks for versions")
        await batch
    finally:
        await changing.close()
    assert sorted(await points_by_version(database)) == [(1, 10), (2, 30)]


async def test_every_order_earns_by_the_version_that_it_names(
    settings: Settings, database: asyncpg.Connection, pipeline: Pipeline, partner_id: int
) -> None:
    """While a partner changes its rate again and again and customers buy: version n gives n points for each euro."""
    await changed(database, partner_id, earning(1))

    async def keep_changing() -> None:
        connection = await connect(settings, "changing")
        try:
            for factor in range(2, 12):
                await changed(connection, partner_id, earning(factor))
        finally:
            await connection.close()

    async def keep_buying(customer_id: str) -> None:
        for number in range(10):
            order = ordered(f"{customer_id}-{number}", "10", customer_id, partner_id=partner_id)
            await pipeline.process([order])

    await asyncio.gather(keep_changing(), *(keep_buying(f"c-{each}") for each in range(3)))
    found = await points_by_version(database)
    assert len(found) == 30
    assert all(points == 10 * version for version, points in found), found
    assert (await current(database, partner_id))[0] == 11


async def test_api_may_change_its_own_partners_program_alone(
    settings: Settings, database: asyncpg.Connection, partner_id: int
) -> None:
    """By the role that requests have; another partner's is as if it were not there."""
    other = await a_partner(database)
    connection = await connect(settings, "api", role=API_ROLE)
    try:
        async with connection.transaction():
            await connection.execute(
                "SELECT set_config('couponry.partner_id', $1, true)", str(partner_id)
            )
            made = await change(connection, partner_id, actor="key", edit=another("Join us"))
            assert made.version == 1
            assert [each.version for each in await program_versions(connection, partner_id)] == [1]
            with pytest.raises(NoSuchPartner):
                await change(connection, other, actor="key", edit=in_euros)
    finally:
        await connection.close()
    assert (await current(database, other))[0] == 0


FREE_SHIPPING: tuple[dict[str, Any], ...] = (
    {"ruleType": "free_shipping_settings", "pointsToRedeem": 5, "coupon": {}},
    {"ruleType": "general_settings", "coupon": {"couponType": "free_shipping"}},
)


@pytest.mark.parametrize("first", FREE_SHIPPING)
@pytest.mark.parametrize("second", FREE_SHIPPING)
async def test_database_holds_one_rule_for_free_shipping(
    database: asyncpg.Connection, first: dict[str, Any], second: dict[str, Any]
) -> None:
    """By either type, also where whoever changed the program did not look; nothing was changed then, and it is told."""
    partner_id = await a_partner(database)

    def unseen(*rules: dict[str, Any]) -> Callable[[Sections], Sections]:
        read = [RedemptionRule.model_validate(rule) for rule in rules]
        return lambda now: replace(
            now, redemption=now.redemption.model_copy(update={"rules": read})
        )

    assert (await changed(database, partner_id, unseen(first))).version == 1
    with pytest.raises(SecondFreeShipping, match=r"^redemption\.rules: Is a second rule"):
        await changed(database, partner_id, unseen(first, second))
    stored = (await stored_programs(database, [partner_id]))[partner_id]
    assert (stored.version, len(stored.sections["redemption"]["rules"])) == (1, 1)
