"""The fault run: the real system under a steady load, and the world moves under it, one fault after the other.

`make faults`, or `python -m tests.faults --help`: minutes, one table, exit code 1 when a promise is broken. `command` is
a run, `system` what is run: servers of its own behind proxies, the processes (`fleet`), the `load`, the `tills` and a
partner's own `coupon_system`. The `ledger` holds what was sent, `readers` see what comes of it, `run` measures, `audit`
is the reckoning and `table` shows it; `__main__` reads the options.

What happens is a `fault`, all of them in `faults`: `kills` at random and at named `points`, `storms` of the group,
`outages` of servers, `failover`, `moved_topics`, `clocks`. `test_faults` runs a few.
"""
