"""Servers of one's own: Kafka, Postgres and Valkey started on this machine, where no address is configured.

May import runtime. To read: `state` (one directory: owner, ports, children), `process` (a child process and its
end), `elsewhere` (for what an account cannot reach there), `postgres`, `kafka` with `kafka_jars` (the broker's
files), `valkey`, `servers` (whichever are missing, started together).
"""
