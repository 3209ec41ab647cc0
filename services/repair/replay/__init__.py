"""`couponry replay`: read a part of a topic again, into the same pipeline, beside the live group.

`span` finds the offsets and says what is no longer there, `recognition` tells at a look what was decided already,
`run` decides batch by batch and keeps how far it has come, `result` counts and words what came of it, `command` is
the command line.
"""
