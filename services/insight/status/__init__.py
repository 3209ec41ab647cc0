"""`couponry status`: is all well, and if not, what is wrong and where to read what to do.

`stored` asks Postgres, `streams` Kafka and Redis, `figures` puts them together, `verdict` judges them, `shown` prints
them, `command` is the command line.
"""
