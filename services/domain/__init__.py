"""The rules of coupons: pure, synchronous, standard library only. No clock, no randomness, no I/O.

May import nothing of ours. In this order each module needs only what stands before it.

How values are made: `values`. Clocks: `clocks` (is the database's to be believed). Facts: `events` (what happened),
`letters` (a record that cannot be decided), `sources` (who may speak for a partner). Rules in force: `program`. State
and effects of a customer, by family: `coupons/`, `stamps`, `closed_orders`; `decision` (what may come of an event:
outcome, reason, effects), `state` (the families put together, and how effects change them). Rules: `needs` (what an
event needs to be decided), `orders`, `decide` (one event). Batches: `arrival` (an event on its way), `folding` (every
event sees the ones before it), `unjudged` (what nobody can judge now, through our fault).
"""
