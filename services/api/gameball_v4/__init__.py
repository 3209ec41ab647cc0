"""The v4 dialect: below `/api/v4/integrations`, a partner's keys in headers, documents as they are, errors with a code.

How it differs from others: `keys` (who is calling), `words` and `failures` (bodies of errors), `documents` (JSON whose
numbers keep their digits, both ways), `dialect` (all of that in one value, for the edge), `call` (what a route begins
with), `parameters` (what queries share), `description` (what a route answers).

Its resources are the sections of a partner's program (`programs`: those that this process has read), all read and
changed by way of `sections`: `settings`, `tiers`, `campaigns`, `referrals`, `cashback`, `redemption` with
`shown_rules` (as v4 has them), `groups` of coupons with the `codes` that they issue, and `coupon_webhook` (the
partner's own coupon system; beside it `webhook_tests` of a sample, and `deliveries`, which `delivery_names` names).
Then customers, each as an account (`accounts`): `customers`, `customer_coupons`, `campaign_progress`, `friends` (whom
they brought), `transactions`, `redeeming` (their points into coupons, whose `codes_to_come` are awaited); and `events`,
which partners tell of them.
"""
