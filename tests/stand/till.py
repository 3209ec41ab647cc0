"""Records of one partner's games and shops, one line each, every event with an id of its own."""

from __future__ import annotations

import json
import uuid
from typing import Any

from aiokafka import ConsumerRecord

from tests.stand import records


class Till:
    """Makes the records of one partner's games and shops."""

    def __init__(self, partner_id: int) -> None:
        self.partner_id = partner_id

    def completed(self, game_id: int, customer_id: str = "anna") -> ConsumerRecord:
        return records.completed(
            str(uuid.uuid4()), customer_id, partner_id=self.partner_id, game_id=game_id
        )

    def placed(
        self, order_id: str, *codes: str, customer_id: str = "anna", **data: Any
    ) -> ConsumerRecord:
        values = {"currency": "EUR", "total": "9.90", "coupon_codes": list(codes), **data}
        return self._order("order.placed", order_id, customer_id, values)

    def cancelled(self, order_id: str, customer_id: str = "anna") -> ConsumerRecord:
        return self._order("order.cancelled", order_id, customer_id, {})

    def _order(
        self, type_: str, order_id: str, customer_id: str, data: dict[str, Any]
    ) -> ConsumerRecord:
        headers = dict(records.headers(str(uuid.uuid4()), "/shop")) | {"ce_type": type_.encode()}
        values = {"partner_id": self.partner_id, "order_id": order_id, "customer_id": customer_id}
        return records.raw(tuple(headers.items()), json.dumps(values | data).encode())
