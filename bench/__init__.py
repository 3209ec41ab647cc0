"""`python -m bench`: this service beside its peers and its limits, interleaved in one run, in one table.

What is measured, and how, stands at the top of each module. A run: `__main__` (the command), `stage` and
`databases` (what all contestants share), `children` (their processes), `workload` (the events), `services`,
`peers/` and `raw` (the contestants), `release` (the start), `race` (a timed run), `reader` (the finish), `meter`
(CPU and memory), `sections` with `latency` and `growth` (the parts of a run), `tape` (every row the service
writes), `results` and `report` (the table).

Beside it, a command each: `api` with `http_load` and its yardstick `bare_api`, `explain`, `lifecycle`, `what_if` with
its `shop_history`, `program` with the orders of a `shop`, `accounts` on the towns of `shop_accounts`, `spending` of
points (with a `receiver` that stands for a partner's own coupon system), `operators` on the database of `millions`, with
the issuing `beside` it.
"""
