"""The door: `couponry`, its table of commands, and the processes it runs in the foreground."""
