"""What the shop does over HTTP and is answered at once: it says how its own coupon system is called, and its till takes
points, makes coupons of them, and takes one back."""

from __future__ import annotations

import asyncio
import json
import urllib.error
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never

from services.adapters.postgres.partners import NewPartner
from services.runtime.web import open_url
from services.stage.demo.shop.happenings import AtCounter, Pays, Redeems, Undoes
from services.stage.demo.shop.news import News
from services.stage.demo.shop.program import Offer, webhook
from services.stage.demo.shop.receiver import CANCELLED, COUPONS, Receiver
from services.terminal.output import CommandError

BASE: Final = "/api/v4/integrations"
ANSWER_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Till:
    """With the partner's keys. `rules`: the rule of each offer. What it has learned of coupons is told as news."""

    partner: NewPartner
    rules: Mapping[Offer, int]
    news: News

    async def connect(self, api: str, system: Receiver) -> None:
        """From now on the shop's own system hears of coupons. Raises CommandError, one line."""
        called = webhook(system.url + COUPONS, system.url + CANCELLED)
        made = await self._send(f"{api}{BASE}/configurations/coupon", called, method="PUT")
        system.secret = made["signingSecret"]

    async def serve(self, api: str, customers: Sequence[AtCounter]) -> None:
        """One after the other. Raises CommandError, one line, where an answer is anything but a success."""
        for each in customers:
            match each:
                case Pays():
                    taken = {"transactionId": each.receipt, "points": -each.points}
                    body = {"customerId": each.customer, **taken, "reason": "at the counter"}
                    await self._send(f"{api}{BASE}/transactions/manual", body)
                case Redeems():
                    body = {"customerId": each.customer, "ruleId": self.rules[each.offer]}
                    made = await self._send(f"{api}{BASE}/coupons/predefined", body)
                    self.news.named(each.coupon, made["couponId"])
                case Undoes():
                    coupon_id = self.news.coupon_of(each.coupon)
                    await self._send(f"{api}{BASE}/coupons/{coupon_id}/undo", {})
                case _:
                    assert_never(each)

    async def _send(
        self, url: str, body: dict[str, Any], *, method: str = "POST"
    ) -> dict[str, Any]:
        return await asyncio.to_thread(_send, url, self.partner, body, method)


def _send(url: str, partner: NewPartner, body: dict[str, Any], method: str) -> dict[str, Any]:
    headers = {
        "apiKey": partner.api_key,
        "secretKey": partner.secret_key,
        "Content-Type": "application/json",
    }
    sent = json.dumps(body).encode()
    try:
        with open_url(
            url, timeout_seconds=ANSWER_SECONDS, data=sent, headers=headers, method=method
        ) as answer:
            said: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            refusal = error.read(500).decode(errors="replace")
        raise CommandError(f"the till was refused: {refusal}") from None
    except OSError as error:
        raise CommandError(f"the till was not answered: {error}") from None
    return said
