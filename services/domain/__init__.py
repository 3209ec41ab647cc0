"""The rules of coupons: pure, synchronous, standard library only. No clock, no randomness, no I/O.

May import nothing of ours. In this order each module needs only what stands before it.

How values are made: `values`, `exact` (arithmetic without floats). Clocks: `clocks` (is the database's to be
believed). `triggers` (an event, conditions, a count), `origins` (what something was earned by). Facts: `events` (what
happened), `letters` (a record that cannot be decided), `sources` (who may speak for a partner).

What partners set: `terms` (what a coupon is worth and when it applies), `rewards` (points, score, a coupon); families
of a customer's state that rules of a program are made for: `points/` (wallet, ledger, earning), `profiles` (who they
are), `tiers`, `referrals`, `campaigns`. Rules in force: `partner_program` (all that one partner has set), `program`
(with games: what a batch is decided by), `birthdays` (when one begins).

`webhooks/`: partners' own coupon systems, which are told of coupons.

The other families: `coupons/`, `stamps`, `closed_orders`, `purchases` (what orders have earned); `effects` (all that
may have to change), `state` (the families put together, and how effects change them), `decision` (what may come of an
event: outcome, reason, effects).

Rules: `needs` (what an event needs to be decided), `course` (one decision under way), `triggering` (campaigns and
referrals that an event sets off), `promotion` (the tier, last), `order_codes`, `reversals`, `orders`, `customers` (what
they tell and do), `redeeming` (points into coupons), `redemptions` (who asks for that, or gives one back), `decide`
(one event). Batches: `arrival` (an event on its way), `folding` (every event sees the ones before it), `unjudged` (what
nobody can judge now, through our fault).
"""
