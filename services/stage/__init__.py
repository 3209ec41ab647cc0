"""Everything at once on this machine: `up` (servers and every process, as `children`) and `demo/`, which plays on it.

May import everything below it.
"""
