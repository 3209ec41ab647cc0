"""The services that this one is compared with, each written as a competent user would, each its own process.

They read the same records and decide by the same rule, into tables of their own (schema `bench`, see `schema.sql`)
in the same database server, and publish the same `coupon.issued` to the same topic. None of them publishes
declines. `wiring` (addresses from `BENCH_*` variables, the message they publish), `bare_publish` (the least a
publisher can do), `faststream_service` (as the tutorials lead one to write it), `handwritten` (a good one). Each
runs until SIGTERM.
"""
