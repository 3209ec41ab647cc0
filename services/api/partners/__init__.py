"""The partners' dialect, loyalty.lt's: below `/{locale}/partners`, bearer tokens, one envelope around every body.

How it differs from others: `scopes` (what a token may be for), `keys` and `access` (who is calling), `envelope`
(bodies of answers), `parameters` and `messages` (its words), `dialect` (all of that in one value, for the edge),
`call` (what a route begins with), `description` (what a route answers).

Its resources, from the small to the large: `shops` and `products`, which share `catalogue`; `cards` and
`card_customers` (who holds one); `games` with `shown_games` (definition, zone and counters), and their `completions`;
`coupons` of staff with `staff_lookups`, `staff_lists`, `staff_answers` (bodies and refusals), `staff_verify` (a code
that is shown), `staff_steps` and `staff_issue`.
"""
