"""Who holds a card, over HTTP: given by hand and taken, with the bonus that it brings once, and by nobody else's."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from schemas.gameball_v4.exact_json import read
from services.adapters.postgres.pool import connect
from services.adapters.postgres.queries import queries
from services.api.partners import card_customers
from services.issuer.pipeline import Pipeline
from services.runtime.settings import Settings
from tests.api.partners.test_cards import INSTANT, a_card
from tests.api.stand import Partner, token
from tests.insight.test_explain_timeline import CONDITIONS, nodes
from tests.stand.telling import a_program, told

GIVEN = {"success": True, "code": 200, "message": "Partner card given successfully"}
TAKEN = {"success": True, "code": 200, "message": "Partner card taken successfully"}


async def a_customer(partner: Partner, *customer_ids: str) -> None:
    """Customers that the partner knows."""
    for customer_id in customer_ids:
        await partner.database.execute(
            "INSERT INTO customers (partner_id, customer_id, last_at) VALUES ($1, $2, now())",
            partner.id,
            customer_id,
        )


async def give(partner: Partner, card_id: int, customer_id: str = "anna", **more: Any) -> httpx.Response:  # fmt: skip
    return await partner.ask("PUT", f"/cards/{card_id}/customers/{quote(customer_id, safe='')}", **more)  # fmt: skip


async def take(partner: Partner, card_id: int, customer_id: str = "anna") -> httpx.Response:
    return await partner.ask("DELETE", f"/cards/{card_id}/customers/{quote(customer_id, safe='')}")


async def holders(partner: Partner, card_id: int, query: str = "") -> list[str]:
    """Ids of the customers on a page."""
    answer = await partner.get(f"/cards/{card_id}/customers{query}")
    assert answer.status_code == 200, answer.text
    return [each["customer_id"] for each in answer.json()["data"]]


async def balance(partner: Partner, customer_id: str = "anna") -> int:
    """Points that a customer has."""
    answer = await partner.v4("GET", f"/customers/{customer_id}/balance", base="")
    return int(read(answer.content)["totalPointsBalance"])


async def trail(partner: Partner) -> list[tuple[Any, ...]]:
    """What the audit trail says of cards' customers."""
    rows = await partner.database.fetch(
        "SELECT action, subject_id, before ->> 'card_id' AS before, after ->> 'card_id' AS after FROM audit_log"
        " WHERE partner_id = $1 AND action IN ('card.given', 'card.taken') ORDER BY id",
        partner.id,
    )
    return [tuple(row) for row in rows]


async def test_card_is_given_and_taken(partner: Partner) -> None:
    """Answers have no data; the list says who and since when; each change is in the audit trail, and no other."""
    card_id = await a_card(partner)
    await a_customer(partner, "anna", "bert")
    before = datetime.now(UTC).replace(microsecond=0)
    answer = await give(partner, card_id)
    assert (answer.status_code, answer.json()) == (200, GIVEN)
    listed = (await partner.get(f"/cards/{card_id}/customers")).json()
    (row,) = listed.pop("data")
    assert listed == {
        "success": True, "code": 200, "message": "Partner card customers retrieved successfully",
        "pagination": {"current_page": 1, "per_page": 20, "total": 1, "last_page": 1},
    }  # fmt: skip
    assert row.pop("customer_id") == "anna"
    since = row.pop("since")
    assert INSTANT(since)
    assert before <= datetime.fromisoformat(since) <= datetime.now(UTC)
    assert row == {}
    assert (await give(partner, card_id)).json() == GIVEN  # who holds it holds it
    assert (await take(partner, card_id)).json() == TAKEN
    assert await holders(partner, card_id) == []
    again = await take(partner, card_id)
    told_ = again.json()
    assert told_.pop("request_id")
    assert (again.status_code, told_) == (
        404, {"success": False, "code": 404, "message": "Customer does not hold this card"},
    )  # fmt: skip
    card = str(card_id)
    assert await trail(partner) == [
        ("card.given", "anna", None, card), ("card.taken", "anna", card, None),
    ]  # fmt: skip


async def test_card_is_given_in_place_of_another(partner: Partner) -> None:
    """One card at most: the other one is taken by that, and then cannot be taken."""
    first, second = await a_card(partner), await a_card(partner)
    await a_customer(partner, "anna")
    for card_id in (first, second):
        assert (await give(partner, card_id)).status_code == 200
    assert (await holders(partner, first), await holders(partner, second)) == ([], ["anna"])
    assert (await take(partner, first)).status_code == 404
    shown = await partner.v4("GET", "/customers/anna", base="")
    assert shown.json()["cardId"] == second
    assert (await trail(partner))[-1] == ("card.given", "anna", str(first), str(second))


async def test_card_brings_its_bonus_once(partner: Partner) -> None:
    """Once a customer and card, however often it is given; by the ledger's entry of the card."""
    await a_program(partner.database, partner.id, settings={"pointsName": "Beans"})
    first, second = [await a_card(partner, initial_bonus_points=bonus) for bonus in (100, 7)]
    await a_customer(partner, "anna")
    seen = []
    for act, card_id in ((give, first), (take, first), (give, first), (give, second), (give, first)):  # fmt: skip
        assert (await act(partner, card_id)).status_code == 200
        seen.append(await balance(partner))
    assert seen == [100, 100, 100, 107, 107]
    listed = (await partner.v4("GET", "/transactions?customerId=anna", base="")).json()
    assert [each["source"] for each in listed["transactions"]] == [
        {"kind": "card", "id": str(first)}, {"kind": "card", "id": str(second)},
    ]  # fmt: skip


async def test_card_is_given_at_once_by_many(partner: Partner) -> None:
    """Whoever comes last has given it: one card is held, and each has brought its bonus once."""
    await a_program(partner.database, partner.id, settings={"pointsName": "Beans"})
    cards = [await a_card(partner, initial_bonus_points=10) for _ in range(2)]
    await a_customer(partner, "anna")
    answers = await asyncio.gather(*(give(partner, cards[number % 2]) for number in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    held = [await holders(partner, card_id) for card_id in cards]
    assert sorted(held) == [[], ["anna"]]
    assert await balance(partner) == 20


async def test_card_is_given_once_by_its_key(partner: Partner) -> None:
    """The same request gets its answer again, also when the card was taken meanwhile, and is not done again."""
    card_id = await a_card(partner)
    await a_customer(partner, "anna")
    key: dict[str, Any] = {"headers": {"Idempotency-Key": "k"}}
    first = await give(partner, card_id, **key)
    await take(partner, card_id)
    again = await give(partner, card_id, **key)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.content == first.content
    assert await holders(partner, card_id) == []


@pytest.mark.parametrize("customer_id", ["a/b", "a%2Fb", "/", "ž ?&#", "customers", "x" * 128])
async def test_card_customer_is_named_percent_encoded(partner: Partner, customer_id: str) -> None:
    """Any id, a slash in it too."""
    card_id = await a_card(partner)
    await a_customer(partner, customer_id)
    assert (await give(partner, card_id, customer_id)).status_code == 200
    assert await holders(partner, card_id) == [customer_id]
    assert (await take(partner, card_id, customer_id)).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_card_customer_must_be_known(
    partner: Partner, stranger: Partner, method: str
) -> None:
    """Who never did anything is 404, and is not made known by it; so is another partner's customer, and what is no id."""
    card_id = await a_card(partner)
    await a_customer(stranger, "anna")
    for customer_id in ("anna", "a%00b", "x" * 129):
        answer = await partner.ask(method, f"/cards/{card_id}/customers/{customer_id}")
        assert answer.status_code == 404
        if "%00" not in customer_id:
            assert answer.json()["message"] == "Customer not found"
    known = "SELECT count(*) FROM customers WHERE partner_id = $1"
    assert await partner.database.fetchval(known, partner.id) == 0


async def test_card_of_another_partner_has_no_customers(
    partner: Partner, stranger: Partner
) -> None:
    """The same 404 for a card that does not exist, that is another's, and for what is no id; nothing is changed."""
    card_id = await a_card(stranger)
    await a_customer(partner, "anna")
    await a_customer(stranger, "anna")
    await give(stranger, card_id)
    for wrong in (card_id, 2**62, "abc", 0):
        for method, path in (("GET", ""), ("PUT", "/anna"), ("DELETE", "/anna")):
            answer = await partner.ask(method, f"/cards/{wrong}/customers{path}")
            assert (answer.status_code, answer.json()["message"]) == (404, "Partner card not found")
    assert await holders(stranger, card_id) == ["anna"]


async def test_card_customers_ask_for_the_scope(partner: Partner, api_settings: Settings) -> None:
    """401 without a token, 403 without the scope `cards`."""
    card_id = await a_card(partner)
    other = token(api_settings, partner.id, "games", "staff")
    for method, path in (("GET", ""), ("PUT", "/anna"), ("DELETE", "/anna")):
        path = f"/cards/{card_id}/customers{path}"
        for bearer, status in ((other, 403), ("nonsense", 401)):
            answer = await partner.ask(method, path, headers={"authorization": f"Bearer {bearer}"})
            assert answer.status_code == status


async def test_deleted_card_is_nobodys(partner: Partner, issuing: Pipeline) -> None:
    """Nobody is listed, nothing can be given or taken; who held it is given another by registering."""
    gone = await a_card(partner, auto_assign=False)
    await a_customer(partner, "anna")
    await give(partner, gone)
    await partner.ask("DELETE", f"/cards/{gone}")
    for method, path in (("GET", ""), ("PUT", "/anna"), ("DELETE", "/anna")):
        answer = await partner.ask(method, f"/cards/{gone}/customers{path}")
        assert (answer.status_code, answer.json()["message"]) == (404, "Partner card not found")
    other = await a_card(partner)
    await issuing.process([told("customer.created", partner_id=partner.id)])
    assert await holders(partner, other) == ["anna"]


async def test_registering_leaves_a_card_that_is_held(partner: Partner, issuing: Pipeline) -> None:
    """Who was given one by hand keeps it."""
    mine, _ = await a_card(partner, auto_assign=False), await a_card(partner)
    await a_customer(partner, "anna")
    await give(partner, mine)
    await issuing.process([told("customer.created", partner_id=partner.id)])
    assert await holders(partner, mine) == ["anna"]


async def test_card_customers_come_in_pages(
    partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once, in the order in which they were known; `total` is exact up to a bound, then leads on."""
    card_id = await a_card(partner)
    ids = [f"c-{number}" for number in range(5)]
    await a_customer(partner, *ids)
    for customer_id in reversed(ids):
        await give(partner, card_id, customer_id)
    pages = [await holders(partner, card_id, f"?per_page=2&page={page}") for page in (1, 2, 3, 4)]
    assert pages == [ids[:2], ids[2:4], ids[4:], []]
    monkeypatch.setattr(card_customers, "COUNTED_AT_MOST", 2)
    totals = [
        (await partner.get(f"/cards/{card_id}/customers?per_page=2&page={page}")).json()["pagination"]["total"]
        for page in (1, 2, 3, 4)
    ]  # fmt: skip
    assert totals == [3, 5, 5, 2]
    for query in ("per_page=101", "page=0", "page=x"):
        answer = await partner.get(f"/cards/{card_id}/customers?{query}")
        assert (answer.status_code, list(answer.json()["errors"])) == (422, [query.split("=")[0]])


async def test_card_customers_go_by_keys(api_settings: Settings) -> None:
    """A card's own, along its index, however many customers there are, and nothing is sorted."""
    sql = queries("card_customers", "services.api.partners")
    arguments: dict[str, tuple[Any, ...]] = {
        "holders": (1, 0, 21), "count_holders": (1, 100), "is_known": (1, "anna"),
    }  # fmt: skip
    assert arguments.keys() == sql.keys()
    connection = await connect(api_settings, "test", enable_seqscan="off")
    for name, values in arguments.items():
        ((plan,),) = await connection.fetch(f"EXPLAIN (FORMAT JSON) {sql[name]}", *values)
        for node in nodes(plan):
            assert "Relation Name" not in node or CONDITIONS & node.keys(), json.dumps(node)
        if name != "is_known":
            assert re.search('"Index Name": "profiles_by_card"', plan)
    await connection.close()
