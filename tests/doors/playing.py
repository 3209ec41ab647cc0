"""Play a script through a door: a partner with all games of its own, the test clock, one act after the other."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, assert_never

from aiokafka import ConsumerRecord

from schemas.partners.games import read_game
from services.adapters.postgres.games import games_by_id
from services.adapters.postgres.partners import add_partner
from services.decisions.manner import Manner
from services.decisions.rule_changes import update_games
from tests.doors.account import Account, Names, account_of, names_of
from tests.doors.doors import (
    BY_HAND,
    PLAYED,
    AskedByHand,
    AskedPoints,
    AskedStep,
    Door,
    House,
    swept,
)
from tests.doors.script import (
    ASKED,
    GAMES,
    POINTS_ASKED,
    PROGRAM,
    REDEEM,
    REDEMPTION_RULES,
    UNDO,
    UNKNOWN,
    UNSTORABLE,
    Ask,
    ByHand,
    Script,
    Sweep,
    redeems_points,
)
from tests.insight.what_if.script import Event, Poll, Rules, Staff
from tests.insight.what_if.stand import BEGINNING
from tests.stand import records
from tests.stand.issuing import a_game
from tests.stand.telling import a_program

UNKNOWN_ID: Final = 999_999_999_999
AN_HOUR: Final = timedelta(hours=1)


@dataclass(slots=True, kw_only=True)
class Play:
    """One script on its way through one door. Partners do not meet, so all plays share a database."""

    house: House
    door: Door
    partner_id: int
    games: Mapping[str, int]
    shops: Sequence[int]
    products: Sequence[int]
    keys: Mapping[str, str]
    rules: Mapping[str, int]
    at: datetime = BEGINNING
    acts: dict[str, int] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    places: dict[int, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    declined: dict[str, str] = field(default_factory=dict)
    account: Account = field(default_factory=dict)

    @property
    def offset(self) -> timedelta:
        """Of the test clock at this moment."""
        return self.at - datetime.now(UTC)

    async def play(self, script: Script) -> None:
        """All of it. In the end the sweeper records what nobody has come upon, whatever the door.

        The account is taken at once: the sweeper of a later play, at a later time, does not ask whose coupons they are.
        """
        for number, act in enumerate(script):
            self.at += act.after
            if self.door.sweeps:
                await self.door.time(self.house, self.offset)
            match act:
                case Poll():
                    await self._poll(act, number)
                case Staff():
                    await self._step(act, number)
                case ByHand():
                    await self._by_hand(act, number)
                case Ask():
                    await self._points(act, number)
                case Sweep():
                    if self.door.sweeps is None:
                        await self.door.time(self.house, self.offset)
                case Rules():
                    await self._change(act)
                case _:
                    assert_never(act)
        await swept(self.house, self.offset)
        self.account = await account_of(
            self.house.database, await self.names(), self.answers, self.declined
        )

    async def names(self) -> Names:
        """What ids, codes and places of this play stand for."""
        return await names_of(
            self.house.database,
            partner_id=self.partner_id,
            beginning=BEGINNING,
            games={id: name for name, id in (*self.games.items(), (UNKNOWN, UNKNOWN_ID))},
            shops={id: f"shop {place}" for place, id in enumerate(self.shops)},
            products={id: f"product {place}" for place, id in enumerate(self.products)},
            places=self.places,
            acts=self.acts,
            rules={id: name for name, id in (*self.rules.items(), (UNKNOWN, UNKNOWN_ID))},
        )

    async def _poll(self, poll: Poll, number: int) -> None:
        coupons = await self._coupons()
        batch = [self._record(event, coupons, number) for event in poll.events]
        await self.door.events(self.house, self.offset, batch)

    async def _step(self, act: Staff, number: int) -> None:
        coupon = (await self._coupons()).get(act.event)
        if coupon is None:
            return
        asked = AskedStep(
            partner_id=self.partner_id,
            coupon_id=coupon[0],
            step=act.step,
            shop_id=self.shops[act.shop],
            reason=f"act {number}",
        )
        refusal = await self.door.step(self.house, self.offset, asked)
        self.answers[f"act {number}"] = f"{act.step} {act.event}: {refusal or 'taken'}"

    async def _by_hand(self, act: ByHand, number: int) -> None:
        self.acts.setdefault(act.name, number)
        game_id = self.games.get(act.game, UNKNOWN_ID)
        asked = AskedByHand(
            partner_id=self.partner_id,
            event_id=f"{act.name}.{self.partner_id}",
            customer_id=act.customer,
            game_id=game_id,
            record=records.completed(
                act.name,
                act.customer,
                partner_id=self.partner_id,
                game_id=game_id,
                source=f"{BY_HAND}/{self.partner_id}",
                at=self.at,
                result="won",
            ),
        )
        if reason := await self.door.by_hand(self.house, self.offset, asked):
            self.declined[act.name] = reason

    async def _points(self, act: Ask, number: int) -> None:
        coupons, event = await self._coupons(), act.event
        self.acts.setdefault(event.name, number)
        data = self._data(event, coupons)
        asked = AskedPoints(
            keys=self.keys,
            event_id=f"{event.name}.{self.partner_id}",
            customer_id=event.customer,
            record=self._record(event, coupons, number, source=f"{BY_HAND}/{self.partner_id}"),
            rule_id=data.get("rule_id"),
            points=data.get("points"),
            coupon_id=data.get("coupon_id"),
        )
        if reason := await self.door.points(self.house, self.offset, asked):
            self.declined[event.name] = str(reason)

    async def _change(self, act: Rules) -> None:
        """Refused by rule 6, the game stays as it is; whether it is, is for the doors to agree on too."""
        game_id = self.games[act.game]
        database = self.house.database
        stored = (await games_by_id(database, [game_id]))[game_id].definition
        transaction = database.transaction()
        await transaction.start()
        changed = {game_id: read_game(dict(act.fields), stored)}
        refusals = await update_games(
            database, changed, actor="test", manner=Manner(clock_offset=self.offset)
        )
        await (transaction.rollback() if refusals else transaction.commit())

    async def _coupons(self) -> dict[str, tuple[str, str]]:
        """Id and code, as people see it, by the name of each coupon there is."""
        names = await self.names()
        codes = {coupon_id: code for code, coupon_id in names.shown.items()}
        return {name: (id, codes[id]) for id, name in names.coupons.items()}

    def _record(
        self,
        event: Event,
        coupons: Mapping[str, tuple[str, str]],
        number: int,
        source: str | None = None,
    ) -> ConsumerRecord:
        at = self.at - timedelta(seconds=1) + AN_HOUR * (event.kind == "poison.time")
        source = source or f"{PLAYED}/{self.partner_id}"
        headers = dict(records.headers(event.name, source, at))
        if event.order or event.kind in (REDEEM, UNDO):
            headers["ce_type"] = event.kind.encode()
        if event.kind == "poison.header":
            del headers["ce_id"]
        data = self._data(event, coupons)
        if event.kind == "poison.schema":
            del data["customer_id"]
        if event.kind == UNSTORABLE:
            self.house.unstorable.add((source, event.name))
        value = b"no JSON" if event.kind == "poison.decode" else json.dumps(data).encode()
        record = records.raw(tuple(headers.items()), value, key=event.customer)
        record.topic = f"doors-{self.partner_id}"
        self.acts.setdefault(event.name, number)
        self.times[event.name] += 1
        self.places[record.offset] = f"{event.name}#{self.times[event.name]}"
        return record

    def _data(self, event: Event, coupons: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
        data: dict[str, Any] = {"partner_id": self.partner_id, "customer_id": event.customer}
        if event.kind == REDEEM:
            points = POINTS_ASKED if event.game == ASKED else None
            return data | {"rule_id": self.rules.get(event.game, UNKNOWN_ID), "points": points}
        if event.kind == UNDO:
            return data | {"coupon_id": coupons[event.codes[0]][0]}
        if not event.order:
            game_id = self.games.get(event.game, UNKNOWN_ID)
            return data | {"game_id": game_id, "result": "won" if event.won else "lost"}
        data["order_id"] = event.order
        if event.kind == "order.refunded":
            data["refunded_total"] = "1.00"
        if event.kind != "order.placed":
            return data
        if event.shop is not None:
            data["shop_id"] = self.shops[event.shop]
        lines = [
            {"product_id": self.products[place], "quantity": 1, "unit_price": "1"}
            for place in event.products
        ]
        codes = [coupons[name][1] if name in coupons else name for name in event.codes]
        return data | {"currency": "EUR", "total": "9.90", "coupon_codes": codes, "lines": lines}


async def played(house: House, door: Door, script: Script) -> Play:
    """The script through that door, by a new partner."""
    database = house.database
    partner = await add_partner(database, "Café Nord", "Europe/Vilnius")
    partner_id = partner.id
    shops = [await database.fetchval("SELECT id FROM shops WHERE partner_id = $1", partner_id)]
    shops.append(
        await database.fetchval(
            "INSERT INTO shops (partner_id, name) VALUES ($1, 'Užupio') RETURNING id", partner_id
        )
    )
    products = [
        await database.fetchval(
            "INSERT INTO products (partner_id, name) VALUES ($1, 'Coffee') RETURNING id", partner_id
        )
        for _ in range(2)
    ]
    games = {}
    for name, rules in GAMES.items():
        ids = {"product_ids": [products[place] for place in rules.get("product_ids", ())]}
        games[name] = await a_game(database, partner_id, **{**rules, **ids})
    play = Play(
        house=house,
        door=door,
        partner_id=partner_id,
        games=games,
        shops=shops,
        products=products,
        keys={"apiKey": partner.api_key, "secretKey": partner.secret_key},
        rules=await _redemption_rules(house, partner_id) if redeems_points(script) else {},
    )
    await play.play(script)
    return play


async def _redemption_rules(house: House, partner_id: int) -> Mapping[str, int]:
    """By name those of the program that the partner is given."""
    redemption = (await a_program(house.database, partner_id, **PROGRAM)).after.redemption
    ids = [*(rule.id for rule in redemption.rules), redemption.default_rule.id]
    return {name: id_ or 0 for name, id_ in zip(REDEMPTION_RULES, ids, strict=True)}
