"""Write the JSON Schemas of every wire model to `schemas/generated/`, for teams that do not write Python.

`python -m schemas.generate` writes them, `--check` exits 1 and names the files that are stale, missing or left over.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from schemas import topics
from schemas.envelope import Envelope
from schemas.events import customers, follow_ups, game_completed, orders, program_events
from schemas.events.coupon_issued import CouponIssued
from schemas.events.coupon_lifecycle import CouponLifecycle
from schemas.events.dead_letters import DeadLetterHeaders
from schemas.events.issuance_declined import IssuanceDeclined
from schemas.fields import Incoming

EXAMPLES: Final = Path(__file__).parent / "examples"
"""`<schema>.<case>.json`; each validates against its schema's model."""

GENERATED: Final = Path(__file__).parent / "generated"

OTHERS: Final = frozenset({"openapi.json"})
"""Files there that are generated elsewhere: by `services.api.generate`."""

MODELS: Final[dict[str, type[BaseModel]]] = {
    "cloudevents": Envelope,
    "game.completed": game_completed.GameCompleted,
    "order.placed": orders.OrderPlaced,
    "order.cancelled": orders.OrderCancelled,
    "order.refunded": orders.OrderRefunded,
    "customer.created": customers.CustomerCreated,
    "customer.updated": customers.CustomerUpdated,
    "customer.event": customers.CustomerEvent,
    "points.redeem-requested": customers.PointsRedeemRequested,
    "points.undo-requested": customers.PointsUndoRequested,
    "referral.completed": follow_ups.ReferralCompleted,
    "customer.birthday": follow_ups.CustomerBirthday,
    "coupon.issued": CouponIssued,
    "issuance.declined": IssuanceDeclined,
    "coupon.lifecycle": CouponLifecycle,
    "points.entry": program_events.PointsEntry,
    "points.expiring": program_events.PointsExpiring,
    "tier.changed": program_events.TierChanged,
    "campaign.achieved": program_events.CampaignAchieved,
    "campaign.revoked": program_events.CampaignRevoked,
    "referral.rewarded": program_events.ReferralRewarded,
    "reward.declined": program_events.RewardDeclined,
    "webhook.disabled": program_events.WebhookDisabled,
    "dead-letter.headers": DeadLetterHeaders,
}
"""By the `schema` of the topics' messages, and the envelope."""


def rendered() -> dict[str, str]:
    """File name → text of every generated file. Raises LookupError for a record on a topic that has no model."""
    for topic in topics.ALL:
        for message in topic.messages:
            if message.schema not in MODELS:
                raise LookupError(f"topic {topic.name}: no model of schema {message.schema!r}")
    files = {}
    for name, model in MODELS.items():
        # What we read is described as it may arrive, what we write as it leaves.
        reads = issubclass(model, Incoming | Envelope)
        schema = model.model_json_schema(mode="validation" if reads else "serialization")
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
        files[f"{name}.json"] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return files


def stale(directory: Path) -> list[str]:
    """Names of files in `directory` that differ from what would be generated, lack, or belong to no model."""
    wanted = rendered()
    found = {
        path.name: path.read_text(encoding="utf-8")
        for path in directory.glob("*.json")
        if path.name not in OTHERS
    }
    return sorted(
        name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)
    )


def write(directory: Path) -> None:
    """Bring `directory` up to date; files that belong to no model are removed."""
    for name in stale(directory):
        (directory / name).unlink(missing_ok=True)
    for name, text in rendered().items():
        (directory / name).write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None, directory: Path = GENERATED) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m schemas.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when stale")
    if not parser.parse_args(arguments).check:
        write(directory)
        return 0
    names = stale(directory)
    for name in names:
        sys.stderr.write(f"{directory.name}/{name} is stale: run python -m schemas.generate\n")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
