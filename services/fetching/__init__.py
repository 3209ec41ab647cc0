"""Kafka's record batches, read whatever they hold: what aiokafka lacks, for every client of this service.

May import nothing of ours. To read: `batches` (every record comes, or something in its place), `unpacking` (within a
bound, whatever a batch claims), `header_names` (of any bytes).
"""
