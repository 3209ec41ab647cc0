"""Look, and change nothing: `status/` (is all well?), `explain/` (why did this event end so?), `statement/` (what has
this customer come to?), `verify/` (does every invariant hold?), `what_if/` (what would other rules have given?).

May import terminal, issuer (to read records as it does), relay (to know where it puts what it publishes), decisions,
adapters, runtime, domain and schemas. A command each.
"""
