"""HTTP: games, cards, shops, products and staff coupons for many partners at once. Nothing is decided here.

Two rooms. `edge/` is what every request passes, whoever asks and in whichever dialect; it knows no dialect. Each
dialect has a room of its own beside it (`partners/`: loyalty.lt's) with its credentials, bodies, sentences and routes,
and knows no other dialect.

To read: `edge/dialect.py` (what a dialect tells about itself), `edge/problems.py` (what can go wrong, in nobody's
words), `edge/asgi.py` (the outermost layer: it chooses the dialect by the path), `edge/call.py` (who asks, may they,
how often), then `partners/dialect.py`, `partners/call.py` and one resource, such as `partners/shops.py`. Beside the
way: `edge/tenant.py` (transactions), `idempotency.py`, `audit.py`, `limits.py`, `answers.py` (exceptions by type).
`app.py` alone composes; `generate.py` writes the OpenAPI description.

May import decisions, adapters, runtime, domain and schemas.
"""
