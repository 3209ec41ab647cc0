"""The door: what is typed as `couponry …`, and what it starts.

May import everything below it. `door` answers signals before anything is loaded, `commands` is the table of
commands and the one place for errors, `processes` runs a process in the foreground, `__main__` is for where
there is no such command.
"""
