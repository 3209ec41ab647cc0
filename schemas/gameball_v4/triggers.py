"""What makes a campaign or a referral fire: conditions on an event's metadata."""

from __future__ import annotations

from typing import Annotated

from schemas.gameball_v4.reading import Part
from schemas.gameball_v4.values import Name, Text, one_of

OPERATORS = (
    "equals", "not_equals", "greater_than", "less_than", "greater_than_or_equals", "less_than_or_equals",
)  # fmt: skip


class EventCondition(Part):
    """What a member of the event's metadata must be."""

    name: Name
    operator: Annotated[str, one_of(*OPERATORS)]
    value: Text
