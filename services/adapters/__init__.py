"""What the service talks to, each spoken to in one place: Kafka, Postgres, Redis, and the bytes that leave the house.

May import runtime, fetching, domain and schemas (only its registry of topics). Nothing here decides. To read:
`postgres/` (everything that is stored); `kafka` (how clients connect, topics brought into shape), `kafka_tokens`
(OAuth), `topic_settings` (on a service that forbids some), `records` (a part of a topic, read from the side),
`kept_records` (as rows keep them); `failures` (who is away); `event_keys` (what tells a repeat from something new),
`traceparent` (the trace an event belongs to), `draws` (randomness for a batch), `exact_json` (numbers keep their
digits), `secrets` (partners', at rest), `webhook_sending` (one request to a partner's own system) by way of
`webhook_addresses` (where its name leads, judged), `wire` and `program_wire` (outgoing events as JSON text),
`redis_client` (let go of in good order) and `redis_locks` (they save time and decide nothing).
"""
