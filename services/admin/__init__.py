"""Administer: change what others work by.

May import terminal, api (for a token's form), relay (for its identity), issuer (to read events), decisions, adapters,
local, runtime, domain and schemas. One command each; where to begin, in the order in which a new deployment needs them:
`schema` (`couponry migrate`), `topics`, `partners`, `catalogue` (shops and products), `games` (loaded from a file),
`program` (likewise; tried out by `program_test`, with `trial` and `trial_events`; codes for its groups by
`program_codes`, brought or made by `program_generation`, with `program_groups`), `coupons` (listed), `token` (for
development).
"""
