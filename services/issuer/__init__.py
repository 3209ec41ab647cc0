"""The issuer: events in, decisions in Postgres. Any number of processes share the work by partitions.

May import decisions, adapters, runtime, fetching, domain and schemas. On the way of a record: `event_types` (which
types are read, and into what), `codec` (from a record to an event, or why not),
`advice` (what an unreadable record looks like), `unreadable` (what is told of it), `traces` (which trace a record
belongs to), `letters` (dead letters of what cannot be read or decided), `metrics`, `aside` (what waits, and why),
`parts` (what a batch is divided into, and what became of it), `speakers` (who may speak for a partner), `pipeline` (one
batch: read, lock, decide, record, commit), `again` (what waits, tried again), `polls` (what one poll has brought),
`brake` (a partition that is mostly poison stops), `bookmarks` (where reading goes on), `lane` (one consumer: poll,
pipeline, offsets), `app` (the process, put together).
"""
