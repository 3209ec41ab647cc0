"""Seeded runs of the whole issuing side over real Postgres: log, locks, clock and crashes are simulated.

`python -m tests.simulation --seeds 5000` runs any number; a failure prints the seed that repeats it. `world` is one
run, over `log` (a topic in memory), `faults` (connections that die where the seed says) and `stage` (the database). What
happens is drawn by `programs` (what a partner sets), `shopping` (what customers do) and `spending` (what is asked for at
once, and codes that a partner brings). It is judged by `invariants`, by `verifying`, and by `comparing` with a second reading
of the contract, `model/`; `test_simulation` runs some, `__main__` any number.
"""
