"""Look, and change nothing: `status/` (is all well?), `explain/` (why did this event end so?), `verify/` (does every
invariant hold?), `what_if/` (what would other rules have given?).

May import terminal, issuer and relay (to read and address records as they do), adapters, runtime, domain and schemas. A
command each.
"""
