"""`couponry verify`: the invariants of the contract, checked over everything that is stored and retained.

`scan` is what every check is given and where it puts what it finds. A module per invariant, each an `async def
check(scan)`: `single_active` (I1), `decided_once` (I2), `accounted` and `published` (I3, in the database and beyond
it), `nothing_vanished` (I4), `path` (I5), `codes` (I6), and two that the contract's rules imply: `limits` (I7: nothing
beyond a limit in force), `stamps` (I8: cards add up).

Accounts under a program have invariants of their own. `folded` counts a ledger again, entry by entry (P1, P3);
`entries` holds each against its decision and the version that this one names (P2), which `versions` reads once;
`achieved` counts achievements (P4), `undone` holds redemptions that were undone against what that gave back (P8).
`accounts` does all that as customers pass, and compares wallet, lots and tier (P6, P7). `referred` (P5), `purchases`
(P9, and P8 of what orders were granted) and `redeemed` (P8: points for coupons) look across them. Coupons that no game
issued have more to be counted: `groups` how many their groups and pools gave (P10), `uses` how often each was used,
`discounts` what that took off (P11), and `delivered` what partners' own systems were told of them (P12). `run` puts all
of them in order, `command` prints.

Five help with what was published: `messages` reads it (`message_names` takes its names apart), `told` holds it against
the database, and `entries_told` the amounts of points; `retained` knows how far back a topic goes. What cannot be
checked is said beside what is violated, and so is what a database that went back explains.

Nearly all of it reads in short statements and pages, so that a live system is not held up. A page is one snapshot; what
two systems must agree on is looked at in the order in which it is written (database before topic), and again before
it is reported. Only what must be added up is read in one statement, in a snapshot of its own.
"""
