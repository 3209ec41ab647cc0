"""`couponry dead-letters`: look at records that could not be decided, try them again, or give them up.

`filters` turns words into a selection, `shown` explains one letter, `redrive` and `discard` work on all that a
selection lets through, `command` is the command line.
"""
