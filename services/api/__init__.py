"""The partner API: games, cards, shops, products and staff coupons over HTTP, for many partners at once.

`app.py` composes; `routes/` alone knows wire and rules; `edge.py`, `access.py`, `limits.py`, `tenant.py`,
`idempotency.py` and `audit.py` are what every request passes. May import adapters, runtime, domain and schemas.
"""
