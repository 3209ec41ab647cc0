"""Postgres: a module and a `.sql` file of named queries for each family of tables.

Every function takes a connection, whose transaction is the caller's. First what all share: `hosts` (which server
of an address), `session` (whether it is what was asked for), `pool` (sessions and their limits), `failures` (what
an exception means for a batch), `queries` (named statements), `tables` (rows into tables), `clock` (the instant that
counts), `standing` (whether the server is of use), `migrate` (the schema, forward only),
`schema` (whether it is there).

What a batch meets, in its order: `rules` (games as the rules know them), `inbox` (decisions, and the locks on
customers), `quota` (what a game may still give), `groups` (what groups of coupons may), `coupons`, `stamps`,
`closed_orders`, `dead_letters`, `passed_over`, `reused_ids`, `next_offsets`, `waiting` (records that cannot be judged
yet), `outbox` (what waits to leave). Of customers under a program: `profiles`, `birthdays`, `points` (wallets, ledger,
lots), `purchases`, `accounts` (all of one customer's); `coupon_terms` (terms as they stand beside a coupon). What
people define: `partners`, `catalogue` (their shops and products), `games`, `cards`, `programs`, `pools` (of codes);
what a program says to the rules: `stored_terms`, `stored_cards`, `stored_program`; `webhooks` (partners' own coupon
systems), `deliveries` (what those are told). What operators do in bulk: `operations`.
"""
