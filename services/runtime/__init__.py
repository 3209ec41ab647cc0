"""What every process is made of, whatever it does.

May import domain and schemas. To read: `settings` (read once, passed down), `processes` (which there are), `process`
(the life of one), `signals` (a stop before there is a loop), `health` and `docs_page` (what it serves about itself),
`serving` (over HTTP), `logs` (JSON, secrets masked), `web` (fetching over HTTP), `backoff` and `waiting` (an outage
waited out, its reason told), `side_by_side` (works that end together), `garbage` (cycles, between batches),
`crashpoints` (where a test may kill it).
"""
