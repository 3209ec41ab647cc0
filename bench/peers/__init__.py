"""The services that this one is compared with, each written as a competent user would, each its own process.

They read the same records and decide by the same rule, into tables of their own (schema `bench`, see schema.sql) in
the same database server, and publish the same `coupon.issued` to the same topic. None of them publishes declines.
Each takes its addresses from `BENCH_*` variables (see `wiring`) and runs until SIGTERM.
"""
