"""The house, room by room, from the ground up. A room imports what stands below it, never a neighbour of its own line.

* `domain/`: the rules of coupons, pure. Beside it `schemas`, a package of its own: the shapes on the wire.
* `runtime/`: what every process is made of: settings, logs, health, a graceful end. Beside it `fetching/`: Kafka's
  record batches, read whatever they hold.
* `adapters/`: Kafka, Postgres, Redis. Beside it `local/`: servers of one's own, for who has none.
* `decisions/`: the one room that loads customers, has the rules decide, and writes what they say.
* The processes of a deployment: `issuer/` (events in), `relay/` (events out), `sweeper/` (passing time), `webhooks/`
  (partners' own coupon systems), `api/` (HTTP).
* `terminal/`: what commands share.
* Commands: `insight/` looks, `repair/` tries again, `admin/` changes what others work by.
* `stage/`: everything at once on this machine.
* `cli/`: the door.

To read: `docs/architecture.md` for the way of one event, then the rooms from the ground up; each begins with its
own map.
"""
