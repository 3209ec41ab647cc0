"""Tell partners' own coupon systems of coupons, and take their codes: `couponry webhooks`.

May import decisions, adapters, runtime, domain and schemas.

`reading` puts what is published into customers' lines, in any number of processes; rows, not offsets, say what was
sent. One process sends, others stand by (`turns`), so that a partner's limits are exact: `configured` (how partners are
called now), `claiming` (which deliveries are to be begun) by the `lanes` of partners, `sending` (the requests),
`writing` (what came of them, in one transaction for all that ended together). `app` puts them together, `metrics`
counts. Whoever is killed has begun attempts that nobody ends: who sends next counts them as interrupted, and sends
again under the same ids.
"""
