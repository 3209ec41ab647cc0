"""The relay: events out. Rows of the outbox to Kafka, each once for readers of committed records.

May import adapters, runtime and schemas. To read: `outbox` (read the oldest, delete exactly those), `partitions`
and `packing` (from rows to record batches), `progress` (which rows the last transaction contained), `publisher`
(one batch, one Kafka transaction), `leadership` (one relay at a time), `condition` and `metrics` (what it tells of
itself), `app` (lead, recover, publish; after any error start over).
"""
