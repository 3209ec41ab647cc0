"""`couponry explain`: why an event did or did not issue a coupon, from what was recorded when it was decided.

`known` finds decisions and letters by whatever was asked for, `records` looks into topics, `gathered` fetches what
surrounds them, `program` tells what a program made of an event, `timeline` puts all of it in order of time, `waiting`
tells of what is not decided yet, `wording` has the words, `command` is the command line.
"""
