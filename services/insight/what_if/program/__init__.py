"""`couponry what-if --partner-id N --program FILE`: a partner's recorded history under a changed program, in memory.

`changed` reads the file and lays its sections over every version that was in force. `families` are customers whom the
rules bring together: each is decided by itself, so that little is remembered at a time and several `processes` can
share the work, in one `snapshot`. They read the `topics` first, and put what these still have of the events into
files, `spool`. Then `history` reads what was decided of them and when, `groups` what groups of coupons had left,
`reading` finds the event of a decision, `redemptions` what was asked for over HTTP, `kept` is what is remembered of a
customer, in little space, `world` decides it all with the very rules of the issuer, `coupons` tells it which coupon is
which, `recorded` takes over what has no event to be read, `again` takes a share of the families through it, and
`differences` holds the end against what is stored. `run` divides the work, `report` says what came of it, `command` is
the command line.

The world follows the record: who did what and when is as it was. A coupon of both is used as it really was; one that
only the changed program grants is used by nobody. What one customer's event brings another is told by this world, at
its recorded place where both have it.
"""
