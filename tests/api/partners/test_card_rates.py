"""A card's rates are money: exact from the request to the points that they make, and never a float in between."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest

from schemas.gameball_v4.exact_json import read, write
from schemas.partners.cards import RATE, RATE_DIGITS, RATES
from services.issuer.pipeline import Pipeline
from tests.api.partners.test_cards import WHOLE
from tests.api.stand import Partner
from tests.stand.telling import a_program, ordered, told

EXACT = Decimal("123456789012.123457")
"""More digits than a double has: the next one that a double holds is 123456789012.12346."""
THIRD = "0.3333333333333333"
"""As a card of old may have one."""


async def sent(partner: Partner, method: str, path: str, body: Any) -> httpx.Response:
    """With every digit of its numbers."""
    return await partner.ask(method, path, content=write(body).encode())


async def a_card(partner: Partner, **changes: Any) -> int:
    answer = await sent(partner, "POST", "/cards", WHOLE | changes)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["data"]["id"])


async def shown(partner: Partner, card_id: int) -> dict[str, Any]:
    """The card as it is shown, its numbers exact."""
    data: dict[str, Any] = read((await partner.get(f"/cards/{card_id}")).content)["data"]
    return data


@pytest.mark.parametrize("name", RATES)
async def test_rate_keeps_its_digits(partner: Partner, name: str) -> None:
    """A JSON number in, the same out, as it is stored, as the rules have it, and in the audit trail."""
    card_id = await a_card(partner, **{name: EXACT})
    answer = await partner.get(f"/cards/{card_id}")
    assert f'"{name}":{EXACT},'.encode() in answer.content
    changed = await sent(partner, "PUT", f"/cards/{card_id}", {name: Decimal("0.000001")})
    assert changed.status_code == 200, changed.text
    assert (await shown(partner, card_id))[name] == Decimal("0.000001")
    rules = "SELECT cards -> 0 -> 'settings' ->> $2 FROM programs WHERE partner_id = $1"
    assert await partner.database.fetchval(rules, partner.id, name) == "0.000001"
    trail = await partner.database.fetch(
        "SELECT before ->> $2 AS before, after ->> $2 AS after FROM audit_log WHERE partner_id = $1 ORDER BY id",
        partner.id, name,
    )  # fmt: skip
    assert [tuple(row) for row in trail] == [(None, str(EXACT)), (str(EXACT), "0.000001")]


async def test_rate_earns_to_its_last_digit(partner: Partner, issuing: Pipeline) -> None:
    """An order of just so much is one point; of the nearest double above, which it never becomes, it would be none."""
    await a_program(partner.database, partner.id, settings={"pointsName": "Beans"})
    await a_card(partner, points_per_currency=1, currency_amount=EXACT)
    await issuing.process([told("customer.created", partner_id=partner.id)])
    await issuing.process([ordered("o-1", str(EXACT), partner_id=partner.id)])
    balance = await partner.v4("GET", "/customers/anna/balance", base="")
    assert balance.json()["totalPointsBalance"] == 1


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        ("0.0000001", RATE_DIGITS), ("1.1234567", RATE_DIGITS), ("1000000000000", RATE_DIGITS), ("1e200", RATE_DIGITS),
        ("1e-200", RATE_DIGITS), ("0", RATE), ("0.0", RATE), ("-0.5", RATE), ('"1.5"', RATE), ("true", RATE), ("[1]", RATE),
    ],
)  # fmt: skip
async def test_rate_is_refused(partner: Partner, rate: str, text: str) -> None:
    """Not above 0, no number, or of more digits than money has."""
    body = write(WHOLE)[:-1] + f', "points_per_currency": {rate}}}'
    answer = await partner.ask("POST", "/cards", content=body.encode())
    assert (answer.status_code, answer.json()["errors"]) == (422, {"points_per_currency": [text]})


@pytest.mark.parametrize("rate", ["1e2", "1.50", "999999999999.999999"])
async def test_rate_is_taken_however_it_is_written(partner: Partner, rate: str) -> None:
    """By its value."""
    body = write(WHOLE)[:-1] + f', "points_per_currency": {rate}}}'
    answer = await partner.ask("POST", "/cards", content=body.encode())
    assert answer.status_code == 201, answer.text
    card = await shown(partner, answer.json()["data"]["id"])
    assert card["points_per_currency"] == Decimal(rate)


@pytest.mark.parametrize("body", [b"{", b'{"points_per_currency": NaN}', b"\xff", b"[" * 60_000, b"[]"])  # fmt: skip
async def test_card_body_that_is_no_object_is_400(partner: Partner, body: bytes) -> None:
    """As everywhere."""
    answer = await partner.ask("POST", "/cards", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, 400)


async def test_rate_of_old_stays_until_it_is_changed(partner: Partner) -> None:
    """Stored when more digits were taken: a change of something else leaves it, what is read can be put back."""
    card_id = await a_card(partner, points_per_currency=1)
    await partner.database.execute(
        f"UPDATE cards SET settings = settings || '{{\"points_per_currency\": {THIRD}}}' WHERE id = $1",
        card_id,
    )
    before = await shown(partner, card_id)
    assert before["points_per_currency"] == Decimal(THIRD)
    for body in ({"auto_assign": False}, before):
        answer = await sent(partner, "PUT", f"/cards/{card_id}", body)
        assert answer.status_code == 200, answer.text
        assert (await shown(partner, card_id))["points_per_currency"] == Decimal(THIRD)
    longer = {"points_per_currency": Decimal("0.333333333")}
    refused = await sent(partner, "PUT", f"/cards/{card_id}", longer)
    assert refused.json()["errors"] == {"points_per_currency": [RATE_DIGITS]}
