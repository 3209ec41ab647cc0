"""Wire schemas: what travels on Kafka and over HTTP, nothing but shapes.

May import nothing of ours, only pydantic and the standard library: a codec or a dialect knows both wire and domain.
To read: `topics` (every topic once; everybody reads this list), `fields` (types that several schemas share),
`envelope` (CloudEvents), `amounts` (numbers with all their digits), `events/` (what is on the topics), `definitions`
(how what partners define is read), `partners/` (bodies of their dialect), `gameball_v4/` (a partner's program, in files
and over HTTP), `gameball_v3/` (its redemption rules in the older dialect), `generate`, which writes the JSON Schemas of
`generated/` for other teams; `examples/` has data that validates.
"""
