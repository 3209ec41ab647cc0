"""What orders bought: read back from the `orders` topic, where alone it stands, while the topic retains it.

Asked only when stamps depend on products. An order whose record is gone is taken to qualify if it really stamped.
"""

from __future__ import annotations

from collections.abc import Mapping

from schemas.topics import ORDERS
from services.adapters.records import bounds_of, partitions_of, read_parts, side_reader
from services.domain.arrival import Incoming
from services.domain.events import OrderPlaced
from services.domain.program import Game
from services.insight.what_if.history import Happened
from services.issuer.codec import read_record
from services.runtime.settings import Settings
from services.terminal.addresses import reaching_kafka
from services.terminal.output import progress
from services.terminal.pace import PROGRESS_SECONDS, Tick

PartitionOffset = tuple[int, int]
"""Where a record of the topic was read."""


class Orders:
    """The products of the partner's orders. `unread` counts those whose record was asked for and is gone."""

    def __init__(
        self, topic: str = "", bought: Mapping[PartitionOffset, frozenset[int]] | None = None
    ) -> None:
        self._topic = topic
        self._bought = bought or {}
        self._unread: set[int] = set()

    @property
    def unread(self) -> int:
        return len(self._unread)

    def recorded(self, happened: Happened, game: Game) -> frozenset[int]:
        """For the recorded rules: whether it qualified is known, for it stamped or not."""
        return frozenset(game.product_ids[:1]) if happened.is_stamped else frozenset()

    def changed(self, happened: Happened, game: Game) -> frozenset[int]:
        """For other rules: what was really bought."""
        if not game.product_ids:
            return frozenset()
        read_at = (happened.partition, happened.offset)
        bought = self._bought.get(read_at) if happened.topic == self._topic else None
        if bought is None:
            self._unread.add(happened.seq)
            return self.recorded(happened, game)
        return bought


async def read_orders(
    settings: Settings,
    partner_id: int,
    products: frozenset[int],
    of_skus: Mapping[str, frozenset[int]],
) -> Orders:
    """What the topic still has of this partner's orders, of these products, which may be named by their SKUs.

    Raises CommandError.
    """
    topic, bought = settings.topic(ORDERS), {}
    shared: dict[frozenset[int], frozenset[int]] = {}
    telling, read = Tick(PROGRESS_SECONDS), 0
    with reaching_kafka(settings):
        partitions = await partitions_of(settings, [topic])
        async with side_reader(settings) as consumer:
            bounds = await bounds_of(consumer, partitions)
            starts = {partition: kept.first for partition, kept in bounds.items()}
            ends = {partition: kept.end for partition, kept in bounds.items()}
            async for records in read_parts(consumer, starts, ends):
                for record in records:
                    one = read_record(record)
                    if not isinstance(one, Incoming) or not isinstance(one.event, OrderPlaced):
                        continue
                    if one.event.partner_id == partner_id:
                        named = (of_skus.get(sku, frozenset()) for sku in one.event.skus)
                        asked = one.event.product_ids.union(*named) & products
                        read_at = (record.partition, record.offset)
                        bought[read_at] = shared.setdefault(asked, asked)
                read += len(records)
                if telling.is_due():
                    progress(f"what-if: {read:,} records of {topic} read")
    return Orders(topic, bought)
