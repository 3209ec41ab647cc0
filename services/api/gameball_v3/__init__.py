"""The v3 dialect: below `/api/v3/integrations`, a partner's bearer token with its store's id, bodies and errors of v4.

It stands upon `services.api.gameball_v4`, which knows nothing of it: sections are read and changed there, documents and
errors have their shape there. Its own: `access` (who is calling), `failures` (what it says otherwise), `dialect` (all
of that in one value, for the edge), `call` (what a route begins with), `description` (what a route answers).

Its resources: `rules` of redemption, with `shown_rules` (as v3 has them), and `configuration`: the default rule, and
what holds for all of redemption.
"""
