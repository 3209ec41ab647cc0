"""`couponry customers show`: one customer's statement, as things stand at this instant.

`stored` reads what there is of them, `statement` makes of it what the rules say now, `shown` prints that for people,
`command` is the command line.
"""
