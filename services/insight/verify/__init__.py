"""`couponry verify`: the invariants of the contract, checked over everything that is stored and retained.

`scan` is what every check is given and where it puts what it finds. One module per invariant, each an `async def
check(scan)`: `single_active` (I1), `decided_once` (I2), `accounted` and `published` (I3, in the database and beyond
it: `message_reader`, `published_twice`), `nothing_vanished` (I4), `path` (I5), `codes` (I6), `added_up` (I7: limits,
quotas, stamps). `run` puts them in order, `command` prints.

All of it reads in short statements and pages, so that a live system is not held up. A page is one snapshot; what
two systems must agree on is looked at in the order in which it is written (database before topic), and again before
it is reported. I5, the path of a coupon through its states, begins when there are states to go through.
"""
