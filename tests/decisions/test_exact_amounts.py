"""Amounts of more digits than a double has come out of the ledger as they were written, text or number."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import asyncpg
import pytest
from aiokafka import ConsumerRecord

from services.decisions.manner import USUAL
from services.decisions.transaction import Deciding
from tests.stand.real_shop import BASE, RealShop, decide
from tests.stand.telling import ordered, refunded

TOTAL, REFUND = "123456789012.123457", "0.100000000000000001"
LEFT = Decimal("123456789012.023456999999999999")


def as_number(record: ConsumerRecord, *amounts: str) -> ConsumerRecord:
    """The same event, its amounts written as JSON numbers."""
    value = record.value or b""
    for amount in amounts:
        assert f'"{amount}"'.encode() in value
        value = value.replace(f'"{amount}"'.encode(), amount.encode())
    return replace(record, value=value)


@pytest.fixture
async def shop(database: asyncpg.Connection, partner_id: int) -> RealShop:
    """With a rate, a threshold and a coupon of many digits too."""
    shop = RealShop(connection=database, partner_id=partner_id)
    await shop.set(**BASE)
    return shop


@pytest.mark.parametrize("is_number", [True, False])
async def test_amounts_come_out_as_they_were_written(shop: RealShop, is_number: bool) -> None:
    """In purchases, ledger and wallet, after a refund too; and to the triggers, which may ask for that very amount."""
    paid = {"name": "paid", "operator": "equals", "value": TOTAL}
    campaign = {
        "name": "Exactly", "type": "ScheduledChallenge", "trigger": {"eventName": "place_order", "eventMetaData": [paid]},
        "activation": {"endDate": "2100-01-01"}, "rewards": [{"walletReward": 7}],
    }  # fmt: skip
    await shop.set(campaigns=[campaign])
    records = [
        ordered("o", TOTAL, partner_id=shop.partner_id),
        refunded("o", REFUND, partner_id=shop.partner_id),
    ]
    if is_number:
        records = [as_number(records[0], TOTAL), as_number(records[1], REFUND)]
    await decide(shop.connection, Deciding(USUAL), records)
    wallet = await shop.wallet()
    assert wallet["spent"] == LEFT
    assert wallet["balance"] == 123456789012 + 7
    rows = await shop.connection.fetch("SELECT spent FROM ledger ORDER BY number")
    assert sum(Fraction(row["spent"]) for row in rows) == Fraction(LEFT)
    purchase = await shop.connection.fetchrow("SELECT amount, refunded FROM purchases")
    assert purchase is not None
    assert (str(purchase["amount"]), str(purchase["refunded"])) == (TOTAL, REFUND)


async def test_terms_and_rates_keep_their_digits(shop: RealShop) -> None:
    """A coupon's value in what is told, and a rate in the points before they were rounded."""
    rate = {"amountRewardThreshold": Decimal("0.000003"), "rewardWalletFactor": Decimal("0.999999")}
    await shop.set(cashback={"defaultCashbackRule": rate})
    await shop.given(couponType="Fixed Amount", discountValue=Decimal("123456789012.123456"))
    row = await shop.connection.fetchrow("SELECT value FROM outbox WHERE ce_type = 'coupon.issued'")
    assert row is not None
    assert json.loads(row["value"])["terms"]["value"] == "123456789012.123456"
    await shop.order("1234567.890123", currency="EUR")
    entry = await shop.connection.fetchrow(
        "SELECT base_points, points FROM ledger WHERE source_kind = 'order'"
    )
    assert entry is not None
    # 1234567.890123 × 333333
    assert (entry["base_points"], entry["points"]) == (Decimal("411522218518.369959"), 411522218518)


async def test_discount_of_many_digits_is_told_exactly(shop: RealShop) -> None:
    """100 % of an amount of 17 digits, in a currency of three: what is told is what was taken off."""
    await shop.set(settings={"currency": "KWD"})
    code = await shop.given(couponType="Percentage", discountValue=100)
    await shop.order("99999999999999.999", currency="KWD", codes=[code])
    decision = await shop.last()
    assert [each["amount"] for each in decision["program"]["discounts"]] == ["99999999999999.999"]
    assert (await shop.wallet())["spent"] == 0
