"""The demo's second act: a small shop's program, forty customers, and a month that takes half a minute.

A month passes although nobody waits for it: the month that ends now. Issuer, sweeper and webhooks begin with their
clock four weeks back (`COUPONRY_CLOCK_OFFSET_SECONDS`, as tests move it) and are started again a week later each time,
so that what is decided and what ends has the instants of that week, and in the end the clock is right again. Nothing of
the service knows of the demo: what lies between two stops of the clock happens at the second of them, as with a shop
that tells of its orders once a week. What is asked about coupons lies before what is bought: requests and orders come
on topics that have no order among each other, and who shows a code has to have it.

In order of reading: `program` (what the shop has set), `happenings` and `month` (what its customers do), `lots`,
`coupons`, `customers`, `lines` and `arithmetic` (what must come of it, by a model that shares no code with the
service), `news` (what subscribers hear), `receiver` (the shop's own coupon system), `opening` (its program is loaded),
`telling` (how the service hears of the month), `till` (what is asked over HTTP), `standing` (what the database holds,
and whether anything is still under way), `agreement` (do all parties agree?), `act` (the action).
"""
