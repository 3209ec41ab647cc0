"""Seeded runs of the whole issuing side over real Postgres: log, locks, clock and crashes are simulated.

`python -m tests.simulation --seeds 5000` runs any number; a failure prints the seed that repeats it.
"""
