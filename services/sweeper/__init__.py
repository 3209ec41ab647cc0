"""The sweeper: records what time has done, in bounded batches; nothing is right or wrong because of it.

May import decisions, adapters and runtime. `app` is the process; `counting` keeps the games' counters current
beside it, by the statements of `counters`.
"""
