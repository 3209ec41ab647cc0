"""Administer: change what others work by.

May import terminal, api (for a token's form), relay (for its identity), decisions, adapters, local, runtime, domain
and schemas. One command each; where to begin, in the order in which a new deployment needs them: `schema`
(`couponry migrate`), `topics`, `partners`, `catalogue` (shops and products), `games` (loaded from a file),
`coupons` (listed), `token` (for development).
"""
