"""What every request passes, whatever dialect it is in. Knows no dialect.

In the order of a request: `dialect` (what one tells about itself), `problems` (what can go wrong, in nobody's words),
`reply` (an answer in JSON), `asgi` (the outermost layer: it chooses the dialect by the path), `router` (the routes
below one prefix), `slashes` (inside ids of a path), `limits` (how often one may ask), `call` (who asks, may they),
`parameters` (read strictly), `tenant` (a transaction that sees one partner's rows), `idempotency` (a repeated
request), `audit` (who changed what), `telling` (an event for its topic), `answers` (exceptions by type).
Beside the way: `metrics` and `description` (OpenAPI).
"""
