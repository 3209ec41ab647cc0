"""What tests of several packages share, one meaning each.

- `servers`: Kafka, Postgres and Redis, started once per run and shared by its workers; `containers`: the same from
  Docker; `turns`: a test that is marked alone has the machine to itself. Both are
  tested: `test_servers`, `test_turns`.
- `copies`: databases made from others, and dropped with their topics; `database`: the one of a test, its topics, connections to it and a pipeline.
- `commands`: the command line, run inside or as a process, and the `world` that it looks at; `processes`: our services
  as processes; `proxy`: a line that can be cut or slow, and counts; `pooler`: lends servers out for a
  transaction; `planting`: a topic nobody knows; `draining`: partitions whose records are gone; `company`: servers with
  certificates of its own.
- `issuing`: partners, games, what the database says, and one audit of all of it; `customers`: states for the rules;
  `records`: records made by hand; `batches`: whole batches, byte by byte; `till`: of one partner's games and shops; `feed`: putting them in, and what the group
  has finished with.
- `telling`: events of a program, and the accounts they made; `busy_program`: a shop where all of it has happened; `snapshots`: all that decisions have left, to compare.
- `pools`: codes that groups of coupons issue.
- `small_shop`: a partner's program and its customers, in memory; `real_shop`: the same on the database; `grouped_shop`:
  one whose coupons are of groups.
- `clocks`: a database whose clock is wrong.
- `waiting`: until something is so, with a deadline.
- `webhooks`: partners' own coupon systems, and what must stand nowhere in the database; `receiver`: one that
  answers by a script.
"""
