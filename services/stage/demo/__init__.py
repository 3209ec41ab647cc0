"""`couponry demo`: the whole system on local servers, with real input, told as a story.

In order of reading: `command` (options and exit code), `story` (what happens, step by step), `stage` (what it needs
before it can send), `catalogue` (the games), `records` and `workload` (what is sent and what must become of it),
`traffic` (both ends of Kafka), `ledger` (what was sent beside what was seen), `play` (the action), `reconciliation`
(wait for the rest), `live` (the view), `account` (do all parties agree?); then `shop/`, the second act; `summary` (the
accounts in the end).
"""

from services.stage.demo.command import demo

__all__ = ["demo"]
