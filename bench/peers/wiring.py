"""What every peer needs from outside: addresses, topics, its consumer group; and the message they all publish."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.domain.coupons.codes import RANDOM_BYTES_PER_CODE, codes_from


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    kafka: str
    postgres: str
    redis: str
    completed_topic: str
    issued_topic: str
    group: str

    def environment(self) -> dict[str, str]:
        return {f"BENCH_{name.upper()}": getattr(self, name) for name in self.__slots__}


def wiring() -> Wiring:
    return Wiring(**{name: os.environ[f"BENCH_{name.upper()}"] for name in Wiring.__slots__})


def new_code() -> str:
    return codes_from(secrets.token_bytes(RANDOM_BYTES_PER_CODE))[0]


def issued_headers(coupon_id: str, at: str) -> dict[str, str]:
    return {
        "ce_specversion": "1.0",
        "ce_id": f"{coupon_id}.issued",
        "ce_source": "/benchmark/peer",
        "ce_type": "coupon.issued",
        "ce_time": at,
        "ce_subject": coupon_id,
    }


def issued_data(coupon: Any, game: Any, source: str, event_id: str) -> dict[str, Any]:
    """Data of `coupon.issued` with every field of the contract, from rows of bench.coupons and bench.games."""
    code, expires_at = coupon["code"], coupon["expires_at"]
    return {
        "coupon_id": str(coupon["id"]),
        "code": "-".join(code[i : i + 4] for i in range(0, 16, 4)),
        "partner_id": coupon["partner_id"],
        "game_id": coupon["game_id"],
        "customer_id": coupon["customer_id"],
        "reward_description": game["reward"],
        "product_ids": [],
        "issued_at": rfc3339(coupon["issued_at"]),
        "expires_at": rfc3339(expires_at) if expires_at else None,
        "is_unlimited": expires_at is None,
        "rule": {
            "allow_multiple_active_coupons": game["allow_multiple"],
            "coupon_validity_days": game["validity_days"],
            "version": 1,
        },
        "cause": {"source": source, "id": event_id, "type": "game.completed"},
    }


def rfc3339(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def stop_on_signal() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets. Call it inside the running loop."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping
