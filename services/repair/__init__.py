"""Try again, in bulk: each operation may be stopped at any moment and resumed, and leaves a trace of who and why.

May import terminal, issuer, decisions, adapters, runtime, domain and schemas. To read: `bulk` (what the commands
have in common), `rehearsal` (decide and record nothing: every dry run), `replay/` (a part of a topic again),
`dead_letters/` (what could not be decided), `republishing` and its command `republish` (a coupon told once more),
`repair_clock` (what a wrong clock of the database has left).
"""
