"""`couponry what-if`: decide a game's recorded history again under changed rules, in memory.

`changes` reads what is to be different, `rules` lays it over every version that was in force, `history` and
`products` read what happened, `world` decides it with the very rules of the issuer, `holdings` is what it remembers of
a customer's coupons, `run` takes one through the other, `comparing` counts what differs, `report` and `showing` say it,
`command` is the command line. `program/` decides a partner's history under a changed program.

Worlds follow the record: who came when, and what was done with a coupon, is as it was. A coupon that both worlds issue
is redeemed, cancelled and reinstated as it really was; one that only the changed rules issue is used by nobody and ends
by its validity. Whatever a customer would have done otherwise is not guessed.
"""
