"""Coupons: a family of the customer's state, its effects, and its rules.

In this order each module needs only what stands before it: `codes` (how a code is written), `coupon` (what one is,
and the table of its steps), `effects` (what may come of an event for coupons, and the reasons against), `held` (the
coupons of one customer), `stock` (what groups have left), `lifecycle` (steps, refusals, what time does), `issuing` (a
completion that counts), `granting` (one that no game issues), `discounts` (what terms take off an order), `till` (what
they come to at a till), `notices` (when a coming end is told).
"""
