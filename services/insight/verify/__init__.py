"""`couponry verify`: the invariants of the contract, checked over everything that is stored and retained.

One module per invariant, each an `async def check(scan)`; `run` puts them in order, `command` prints. All of it reads
in short statements and pages, so that a live system is not held up. A page is one snapshot; what two systems must
agree on is looked at in the order in which it is written (database before topic), and again before it is reported.

The numbers are the contract's. I5, the path of a coupon through its states, begins when there are states to go through.
"""
