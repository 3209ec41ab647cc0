"""The sweeper: records what time has done, in bounded batches; nothing is right or wrong because of it.

May import decisions, adapters and runtime. `app` is the process; `floor`, where it begins to look; `room`, when it may
add to the outbox; `aside`, what it cannot settle; `beside` runs its other work: `accounts` ends lots, tells of coming
ends and birthdays, `counting` keeps the games' counters current by the statements of `counters`, `retention` takes out
what was kept long enough.
"""
