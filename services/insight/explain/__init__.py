"""`couponry explain`: why an event did or did not issue a coupon, from what was recorded when it was decided.

`known` finds decisions and letters by whatever was asked for, `records` looks into topics, `gathered` fetches what
surrounds them, `program` tells what a program made of an event, `deliveries` what a partner's own system was told of a
coupon, `timeline` puts all of it in order of time, `entry` by entry, `waiting` tells of what is not decided yet,
`wording` has the words, `command` is the command line.
"""
