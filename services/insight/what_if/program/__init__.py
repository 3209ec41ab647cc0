"""`couponry what-if --partner-id N --program FILE`: a partner's recorded history under a changed program, in memory.

`changed` reads the file and lays its sections over every version that was in force, `spool` keeps what the topics still
have of the events, `history` reads what was decided of them and when, `kept` is what is remembered of a customer, in
little space, `world` decides it all with the very rules of the issuer, `recorded` takes over what has no event to be
read, `run` takes one through the other, `differences` holds the end against what is stored, `report` says it,
`command` is the command line.

The world follows the record: who did what and when is as it was. A coupon of both is used as it really was; one that
only the changed program grants is used by nobody. What one customer's event brings another is told by this world, at
its recorded place where both have it.
"""
