"""Points: a family of the customer's state, its effects, and its rules.

In this order each module needs only what stands before it: `wallet` (what a customer has: balance, meters, lots; and
the entries that change it), `ledger` (earning, spending, ending, giving back: the entries each makes), `earning` (what
an order earns, by the first rate that applies).
"""
