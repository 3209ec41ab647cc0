"""The partner's program, as the v4 dialect and its files write it: read, kept, changed and shown.

To read: `exact_json` (numbers keep their digits), `values` (what a single value may be; `currencies`), `reading` (how
an object is read: names, places, errors), `carried` (what nobody judges). Then the parts: `coupon_values`, `terms`
(what a coupon gives), `triggers`, `settings`, `campaigns`, `tiers`, `cashback`, `referrals`, `redemption`,
`coupon_groups`, `pool_codes`; `webhook_addresses` (where one must not lead), `placeholders`, `webhook_values` and
`coupon_webhook` (the partner's own coupon system). The whole: `program` (all sections, from what is stored and back),
`changing` and `webhook_changes` (what is sent over HTTP), `files` (what stands in a file), `shown` (what is answered;
`answers` describes it), `differences` (between two of them). Beside it: `manual_transactions`, `redeeming`,
`customer_answers`, `webhook_answers` and `deliveries`; and what partners tell of their customers: `told_values`,
`told`.
"""
