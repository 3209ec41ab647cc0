"""The rules of coupon issuance: pure, synchronous, standard library only.

Nothing here reads a clock, draws a random number or does I/O. Read in this order: `events` (what
happened), `program` (the rules in force), `coupon` (what a customer holds), `decision` (what may come
of it), `decide` (the rules themselves), `codes` (how a coupon code is written).
"""
